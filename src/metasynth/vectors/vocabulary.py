"""What an embedder cannot read: of a text in a script that it does not know, a vector says nothing.

all-MiniLM-L6-v2 knows no Thai (a sentence is one unknown token) and little Chinese.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

MOST_UNKNOWN = 0.1
"""The share of unknown tokens above which a text's distances are void."""

ADVICE = "a multilingual sentence-transformers model as memory.embedder can tell"

_LOG = logging.getLogger("metasynth")
_UNKNOWN = ("[UNK]", "<unk>")


class Vocabulary(Protocol):
    """What knows tokens."""

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that are unknown, 0 to 1."""
        ...


class Readable:
    """Whether a text's vector means anything; the first one that does not is told of.

    Args:
        vocabulary: The embedder's; None: everything is readable.
    """

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self._vocabulary = vocabulary
        self._told = False
        self._lock = threading.Lock()

    def __call__(self, text: str) -> bool:
        """Whether at most a tenth of the tokens are unknown; blocks while the model is loaded."""
        if self._vocabulary is None or text.isascii():
            return True
        share = self._vocabulary.unknown_share(text)
        if share <= MOST_UNKNOWN:
            return True
        with self._lock:
            if not self._told:
                self._told = True
                _LOG.warning(
                    "the embedder knows too few tokens of this language (%.0f%% of a text's are "
                    "unknown): distances of such texts are void, n-grams decide; %s",
                    100 * share,
                    ADVICE,
                )
        return False


class TokenizerFile:
    """The vocabulary in a `tokenizer.json`, without the model."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        ids = map(self._tokenizer.token_to_id, _UNKNOWN)
        self._unknown = next((id_ for id_ in ids if id_ is not None), None)

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that are unknown, 0 to 1."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return share_of(self._unknown, found.ids, found.offsets)


def share_of(
    unknown: int | None, ids: Sequence[int], spans: Sequence[tuple[int, int]] | None
) -> float:
    """The share of tokens, or of the characters in them, that is unknown: the larger one.

    A word that is too long for the tokenizer, as a sentence of Thai may be, is one unknown token.

    Args:
        unknown: The id of the unknown token; None: there is none.
        ids: Of the text's tokens.
        spans: Where each token begins and ends; None where that is not known.
    """
    if not ids or unknown is None:
        return 0.0
    sizes = [end - start for start, end in spans] if spans else []
    lost = sum(size for size, id_ in zip(sizes, ids, strict=False) if id_ == unknown)
    return max(list(ids).count(unknown) / len(ids), lost / max(1, sum(sizes)))
