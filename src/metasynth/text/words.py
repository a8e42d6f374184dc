"""Words, openings and word n-grams: what novelty is measured on besides vectors.

In writing without blanks, a word is what Unicode's rules (UAX 29) find without a dictionary: a
character of Han or Hiragana, a run of Katakana. Thai, Lao, Khmer and Burmese are taken apart into
their clusters (a consonant with its vowels and marks), three of which are counted as a word.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import regex  # type: ignore[import-untyped]

_CLUSTERED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNSPACED = rf"\p{{Han}}\p{{Hiragana}}{_CLUSTERED}"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"
# a vowel that is written before its consonant, the consonant, its marks, a vowel written behind
_CLUSTER = (
    r"[\u0e40-\u0e44\u0ec0-\u0ec4]?"
    rf"[{_CLUSTERED}](?:[\u1039\u17d2][{_CLUSTERED}]|[\p{{M}}\u0e30\u0e32\u0e33\u0eb0\u0eb2\u0eb3])*"
)
_CHARACTER = r"[\p{Han}\p{Hiragana}]\p{M}*"
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
_WORD = regex.compile(rf"(?V1){_CHARACTER}|{_CLUSTER}|{_LETTER}+(?:['’-]{_LETTER}+)*")
# what is counted: as words, but for the rest what stands between blanks, signs and all
_UNIT = regex.compile(
    rf"(?V1)(?P<character>{_CHARACTER})|(?P<cluster>{_CLUSTER})|[\S--[{_UNSPACED}]]+"
)
_HAS_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
_HAS_LETTER = regex.compile(r"[\p{L}\p{N}]")
_CLUSTER_START = regex.compile(rf"[{_CLUSTERED}]")
_CLUSTERS_OF_A_WORD = 3
_KEYWORD_END = re.compile(r"[,，、；・،؛]")


def words(text: str) -> list[str]:
    """The words of `text` in lower case; hyphens and apostrophes inside a word stay."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return [match.group() for match in pattern.finditer(text.lower())]


def is_unspaced(text: str) -> bool:
    """Whether `text` has anything of a script that puts no blanks between words."""
    return not text.isascii() and _HAS_UNSPACED.search(text) is not None


def count_words(text: str) -> int:
    """How many words `text` has: what blanks part, or what the script takes for words."""
    if not is_unspaced(text):
        return len(text.split())
    return -(-sum(thirds for _, thirds in _units(text)) // _CLUSTERS_OF_A_WORD)


def split_keywords(text: str) -> list[str]:
    """The keywords of a list, parted by the commas of any script, `；` or `・`; no blank ones."""
    return [word for part in _KEYWORD_END.split(text) if (word := part.strip())]


def _units(text: str) -> Iterator[tuple[int, int]]:
    """Where each counted part of `text` begins, and its weight in thirds of a word."""
    for match in _UNIT.finditer(text):
        if match["cluster"]:
            weight = 1
        elif match["character"] or _HAS_LETTER.search(match.group()):
            weight = _CLUSTERS_OF_A_WORD
        else:
            weight = 0
        yield match.start(), weight


def encodable(text: str) -> str:
    """`text` with halves of surrogate pairs, which no file can hold, replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def opening(text: str, count: int) -> str:
    """The first `count` words of `text`, in lower case, joined by blanks."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    return " ".join(match.group() for match in islice(pattern.finditer(text.lower()), count))


def excerpt(text: str, count: int) -> str:
    """The first `count` words of `text` on one line, with an ellipsis where something was cut."""
    if is_unspaced(text):
        line = " ".join(text.split())
        cut = cut_words(line, count)
        return cut + (" …" if len(cut) < len(line) else "")
    parts = text.split(maxsplit=count)
    return " ".join(parts[:count]) + (" …" if len(parts) > count else "")


def cut_words(text: str, count: int) -> str:
    """`text` up to its `count`-th word, its line breaks kept."""
    if is_unspaced(text):
        room = count * _CLUSTERS_OF_A_WORD
        for start, weight in _units(text):
            room -= weight
            if room < 0:
                return text[:start].rstrip()
        return text
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number > count:
            return text[: match.start()].rstrip()
    return text


def word_ngrams(text: str, n: int) -> Iterator[int]:
    """A 64-bit hash for each run of `n` words of `text`.

    Of Han and Hiragana these are `n` characters; of a text that is mostly clusters, three times as
    many of these.
    """
    found = words(text)
    if not text.isascii():
        clusters = sum(_CLUSTER_START.match(word) is not None for word in found)
        n *= _CLUSTERS_OF_A_WORD if 2 * clusters > len(found) else 1
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
    """The keywords of which at least half of the words occur in `text`, up to plural endings.

    Of a keyword without blanks, half of the pairs of neighbouring characters.
    """
    lowered = text.lower()
    present = {form for word in words(lowered) for form in _forms(word)}
    used = []
    for keyword in keywords:
        if is_unspaced(keyword):
            whole = "".join(keyword.lower().split())
            pairs = [whole[start : start + 2] for start in range(max(1, len(whole) - 1))]
            parts = [pair in lowered for pair in pairs]
        else:
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
