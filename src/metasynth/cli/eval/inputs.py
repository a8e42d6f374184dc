"""What the commands of `eval` read: corpora by name, and vectors as they are asked for."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metasynth.errors import RequestError, RunInterruptedError
from metasynth.eval.text_corpus import Shape, TextCorpus, read_corpus

if TYPE_CHECKING:
    from metasynth.vectors.cache import Vectors

_AT_ONCE = 32
_NAMED = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Inputs:
    """How texts are read and embedded."""

    shape: Shape
    embedder: str
    cache: Path | None
    device: str

    @classmethod
    def of(
        cls,
        fields: Sequence[str] | None,
        topic: str,
        persona: str,
        split: Any,
        embedder: str,
        cache: Path | None,
        device: str,
        min_words: int = 0,
    ) -> Self:
        """From what the command line says."""
        shape = Shape(tuple(fields or ()), topic, persona, split, min_words)
        return cls(shape, embedder, cache, device)

    def read(self, given: Sequence[str]) -> list[TextCorpus]:
        """The corpora of files, or of NAME=FILE; names that are taken get the folder's before.

        Raises:
            RequestError: One cannot be read.
        """
        found: list[TextCorpus] = []
        for one in given:
            path, name = _named(one)
            corpus = read_corpus(path, self.shape, name=name)
            taken = {other.name for other in found}
            if corpus.name in taken:
                corpus = replace(corpus, name=_other_name(path, corpus.name, taken))
            found.append(corpus)
        return found

    @contextmanager
    def embedding(self, on_texts: Callable[[int], object]) -> "Iterator[Embedding]":
        """Texts to vectors, a few at a time.

        Args:
            on_texts: Called with how many are done; it may raise to end the work.
        """
        from metasynth.vectors.embed import load_embedder

        embedder = load_embedder(self.embedder, cache=self.cache, device=self.device)
        try:
            yield Embedding(embedder.vectors, lambda: embedder.truncated, on_texts)
        finally:
            embedder.close()


@contextmanager
def interruption_told(cache: Path | None) -> Iterator[None]:
    """Say what an interruption leaves: vectors, where they are kept in a file, and nothing else."""
    try:
        yield
    except RunInterruptedError as error:
        hint = f"the vectors so far are in {cache}" if cache else "nothing was kept"
        raise RunInterruptedError(error.message, hint=hint) from None


class Embedding:
    """What turns texts into vectors and tells how far it is."""

    def __init__(
        self,
        vectors: "Callable[[Sequence[str]], Vectors]",
        truncated: Callable[[], int],
        on_texts: Callable[[int], object],
    ) -> None:
        self._vectors = vectors
        self._truncated = truncated
        self._on_texts = on_texts
        self._done = 0

    @property
    def truncated(self) -> int:
        """Texts that are longer than the model reads."""
        return self._truncated()

    def __call__(self, texts: Sequence[str]) -> "Vectors":
        """The vectors of texts, a row each."""
        parts = [self._vectors([])]
        for start in range(0, len(texts), _AT_ONCE):
            self._on_texts(self._done)
            parts.append(self._vectors(texts[start : start + _AT_ONCE]))
            self._done += len(parts[-1])
        return np.concatenate(parts)


def _named(given: str) -> tuple[Path, str | None]:
    path = Path(given).expanduser()
    match = _NAMED.fullmatch(given)
    if match and not path.exists():
        return Path(match[2]).expanduser(), match[1]
    return path, None


def _other_name(path: Path, name: str, taken: set[str]) -> str:
    whole = path.resolve()
    longer = f"{whole.parent.name}/{name}"
    if longer in taken:
        raise RequestError(f"two corpora are called {longer}", hint="name one: NAME=FILE")
    return longer
