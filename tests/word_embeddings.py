"""Embeddings for tests: a bag of words, so that texts with the same words are near."""

import hashlib
import math

from langchain_core.embeddings import Embeddings


class WordEmbeddings(Embeddings):
    """Unit vectors; each word adds to two dimensions that its hash names.

    Args:
        dims: Length of the vectors.
    """

    def __init__(self, dims: int = 256) -> None:
        self.dims = dims
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded.extend(texts)
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._vector(text)

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dims
        vector[0] = 1e-3  # so that no text is the zero vector
        for word in text.lower().split():
            digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
            vector[int.from_bytes(digest[:4]) % self.dims] += 1.0
            vector[int.from_bytes(digest[4:8]) % self.dims] += 1.0
        length = math.sqrt(sum(part * part for part in vector))
        return [part / length for part in vector]
