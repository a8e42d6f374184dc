"""Words, openings and word n-grams: what novelty is measured on besides vectors."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of `text` in lower case; hyphens and apostrophes inside a word stay."""
    return _WORD.findall(text.lower())


def encodable(text: str) -> str:
    """`text` with halves of surrogate pairs, which no file can hold, replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def opening(text: str, count: int) -> str:
    """The first `count` words of `text`, in lower case, joined by blanks."""
    found = (match.group() for match in _WORD.finditer(text.lower()))
    return " ".join(word for word, _ in zip(found, range(count), strict=False))


def excerpt(text: str, count: int) -> str:
    """The first `count` words of `text` on one line, with an ellipsis where something was cut."""
    parts = text.split(maxsplit=count)
    return " ".join(parts[:count]) + (" …" if len(parts) > count else "")


def cut_words(text: str, count: int) -> str:
    """`text` up to its `count`-th word, its line breaks kept."""
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number > count:
            return text[: match.start()].rstrip()
    return text


def word_ngrams(text: str, n: int) -> Iterator[int]:
    """A 64-bit hash for each run of `n` words of `text`."""
    found = words(text)
    for start in range(len(found) - n + 1):
        gram = "\x1f".join(found[start : start + n]).encode()
        yield int.from_bytes(hashlib.blake2b(gram, digest_size=8).digest(), "big")


# English plural ending -> what the singular may end with in its place
_PLURALS = (("s", ("",)), ("ies", ("y",)), ("ves", ("f", "fe")), ("es", ("",)))
_TAKES_ES = ("s", "x", "z", "ch", "sh", "o")


def _forms(word: str) -> set[str]:
    """The word without a possessive ending, and all that it may be the plural of."""
    for possessive in ("'s", "’s"):
        word = word.removesuffix(possessive)
    forms = {word}
    for ending, singulars in _PLURALS:
        rest = word.removesuffix(ending)
        if rest == word or len(rest) < 2 or word.endswith("ss"):
            continue
        if ending == "es" and not rest.endswith(_TAKES_ES):
            continue
        forms.update(rest + singular for singular in singulars)
    return forms


def keywords_used(text: str, keywords: list[str]) -> list[str]:
    """The keywords of which at least half of the words occur in `text`, up to plural endings."""
    present = {form for word in words(text) for form in _forms(word)}
    used = []
    for keyword in keywords:
        parts = [not present.isdisjoint(_forms(word)) for word in words(keyword)]
        if parts and 2 * sum(parts) >= len(parts):
            used.append(keyword)
    return used


class Overlap(NamedTuple):
    """The earlier text that holds most of a text's n-grams, and their share (0 to 1)."""

    id: str | None
    share: float


class NgramIndex:
    """Which earlier texts hold a word n-gram, in bounded memory.

    Beyond `most` n-grams only those with a hash divisible by 2, then 4, 8, … are kept, so the share
    becomes an estimate from a fixed random sample of the n-grams instead of taking more memory
    (about 150 bytes an n-gram).
    """

    def __init__(self, n: int, *, most: int = 2_000_000) -> None:
        self.n = n
        self._most = most
        self._sample = 1
        self._size = 0
        self._holders: dict[int, list[str]] = {}

    def add(self, id_: str, text: str) -> None:
        """Remember the n-grams of `text` under `id_`."""
        for gram in self._grams(text):
            self._holders.setdefault(gram, []).append(id_)
            self._size += 1
        while self._size > self._most:
            self._thin_out()

    def overlap(self, text: str) -> Overlap:
        """The text added so far that shares the largest part of the n-grams of `text`."""
        grams = self._grams(text)
        shared = Counter(holder for gram in grams for holder in self._holders.get(gram, ()))
        if not shared:
            return Overlap(None, 0.0)
        best, count = max(shared.items(), key=lambda item: (item[1], item[0]))
        return Overlap(best, count / len(grams))

    def _grams(self, text: str) -> set[int]:
        return {gram for gram in word_ngrams(text, self.n) if gram % self._sample == 0}

    def _thin_out(self) -> None:
        self._sample *= 2
        kept = {gram: ids for gram, ids in self._holders.items() if gram % self._sample == 0}
        self._holders = kept
        self._size = sum(map(len, kept.values()))
