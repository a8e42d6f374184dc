"""What the commands of `eval` read: corpora by name, and vectors as they are asked for."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metasynth.errors import RequestError, RunInterruptedError
from metasynth.eval.text_corpus import CorpusLayout, TextCorpus, read_corpus
from metasynth.vectors.vocabulary import MOST_UNKNOWN

if TYPE_CHECKING:
    from metasynth.vectors.cache import Vectors
    from metasynth.vectors.embed import SentenceEmbedder

_AT_ONCE = 32
_NAMED = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)


def read_corpora(sources: Sequence[str], layout: CorpusLayout) -> list[TextCorpus]:
    """The corpora of files, or of NAME=FILE; names that are taken get the folder's before.

    Raises:
        RequestError: One cannot be read.
    """
    corpora: list[TextCorpus] = []
    for source in sources:
        path, name = _named(source)
        corpus = read_corpus(path, layout, name=name)
        taken = {other.name for other in corpora}
        if corpus.name in taken:
            corpus = replace(corpus, name=_other_name(path, corpus.name, taken))
        corpora.append(corpus)
    return corpora


class Embedding:
    """What turns texts into vectors, a few at a time.

    Args:
        embedder: The model.
        on_texts: Called with how many are done; it may raise to end the work.
    """

    def __init__(self, embedder: "SentenceEmbedder", on_texts: Callable[[int], object]) -> None:
        self._embedder = embedder
        self._on_texts = on_texts
        self._done = 0
        self._unreadable: set[str] = set()

    @property
    def truncated(self) -> int:
        """Texts that are longer than the model reads."""
        return self._embedder.truncated

    @property
    def notes(self) -> list[str]:
        """What is to be said of the vectors: texts that were cut, and such as cannot be read."""
        notes = []
        if cut := self.truncated:
            notes.append(f"{cut} texts are longer than the embedder reads: it saw their beginnings")
        if count := len(self._unreadable):
            notes.append(
                f"more than a tenth of the tokens of {count} texts is unknown to the embedder: "
                "what is measured on vectors is void for them; a multilingual --embedder can tell"
            )
        return notes

    def __call__(self, texts: Sequence[str]) -> "Vectors":
        """The vectors of texts, a row each."""
        parts = [self._embedder.vectors([])]
        for start in range(0, len(texts), _AT_ONCE):
            self._on_texts(self._done)
            some = texts[start : start + _AT_ONCE]
            parts.append(self._embedder.vectors(some))
            self._unreadable.update(text for text in some if not self._can_read(text))
            self._done += len(parts[-1])
        return np.concatenate(parts)

    def _can_read(self, text: str) -> bool:
        return text.isascii() or self._embedder.unknown_share(text) <= MOST_UNKNOWN


@contextmanager
def embedding(
    model: str, *, cache: Path | None, device: str, on_texts: Callable[[int], object]
) -> Iterator[Embedding]:
    """An embedder that is closed at the end."""
    from metasynth.vectors.embed import load_embedder

    embedder = load_embedder(model, cache=cache, device=device)
    try:
        yield Embedding(embedder, on_texts)
    finally:
        embedder.close()


@contextmanager
def interruption_hint(cache: Path | None) -> Iterator[None]:
    """Say what an interruption leaves: vectors, where they are kept in a file, and nothing else."""
    try:
        yield
    except RunInterruptedError as error:
        hint = f"the vectors so far are in {cache}" if cache else "nothing was kept"
        raise RunInterruptedError(error.message, hint=hint) from None


def _named(source: str) -> tuple[Path, str | None]:
    path = Path(source).expanduser()
    match = _NAMED.fullmatch(source)
    if match and not path.exists():
        return Path(match[2]).expanduser(), match[1]
    return path, None


def _other_name(path: Path, name: str, taken: set[str]) -> str:
    whole = path.resolve()
    longer = f"{whole.parent.name}/{name}"
    if longer in taken:
        raise RequestError(
            f"two corpora are called {longer}", hint="name one: NAME=FILE", code="taken_name"
        )
    return longer
