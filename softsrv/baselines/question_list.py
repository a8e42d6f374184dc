"""Reading the numbered questions in a model's reply, however it chose to number them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_DECORATION = r"[ \t>*_#`-]*"
# `Question 3:`, `**Q3.**`, `### Problem 3` (alone on its line); within a line only with a colon
_WORDED = re.compile(
    rf"(?:^{_DECORATION}|(?<=\s)(?=\S+\s\d+:))"
    r"(?:question|problem|task|exercise|example|passage|q)\s*[#№]?\s*(\d{1,3})"
    r"[*_`]*\s*(?:[:.)]|[-–—](?=\s)|$)[*_`]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BARE = re.compile(rf"^{_DECORATION}(\d{{1,3}})[*_]*[.):][*_]*[ \t]+", re.MULTILINE)
_TRAILING = re.compile(r"\s*(?:[-*_=#]{3,}|[#>*]+)\s*$")
_QUOTES = {'"': '"', "“": "”", "'": "'", "«": "»"}
_SKIPPED = 3  # numbers that a reply may leave out in a row without the rest being lost


class _Mark(NamedTuple):
    number: int
    start: int
    end: int


def numbered_questions(reply: str, *, count: int, cut_before: Sequence[str] = ()) -> list[str]:
    """At most `count` questions, in their order.

    The prompt ends with `Question 1:`, so a reply may begin with the first question's text itself;
    a reply without any number is one question. What stands before a written number 1 is talk.
    """
    worded, bare = _marks(_WORDED, reply, most_skipped=_SKIPPED), _marks(_BARE, reply)
    marks = bare if len(bare) > len(worded) else worded
    pieces: list[str] = []
    if not marks or marks[0].number > 1:
        pieces.append(reply[: marks[0].start] if marks else reply)
    starts = [mark.start for mark in marks]
    ends = [*starts[1:], len(reply)]
    pieces += [reply[mark.end : end] for mark, end in zip(marks, ends, strict=False)]
    found = [tidy_question(piece, cut_before=cut_before) for piece in pieces]
    return [question for question in found if question][:count]


def tidy_question(text: str, *, cut_before: Sequence[str] = ()) -> str:
    """A question without markup around it, and without the answer that was not asked for."""
    tidy = text.strip()
    for mark in cut_before:
        # a text that begins with the mark is not cut: nothing would be left
        if found := re.search(rf"(?:(?<=\s)|(?<=\n))[*_#]*{re.escape(mark)}", tidy):
            tidy = tidy[: found.start()].rstrip()
    while (shorter := _TRAILING.sub("", tidy)) != tidy:
        tidy = shorter
    for mark in ("**", "__", "*"):
        if tidy.startswith(mark) and tidy.endswith(mark) and len(tidy) > 2 * len(mark):
            tidy = tidy[len(mark) : -len(mark)].strip()
    closing = _QUOTES.get(tidy[:1])
    if closing and tidy.endswith(closing) and tidy.count(tidy[0]) + tidy.count(closing) in (2, 4):
        tidy = tidy[1:-1].strip() if tidy[1:-1].count(closing) == 0 else tidy
    return tidy


def _marks(pattern: re.Pattern[str], reply: str, *, most_skipped: int = 0) -> list[_Mark]:
    """The marks that count up; a list inside a question begins again and is no mark."""
    marks: list[_Mark] = []
    last = 0
    for found in pattern.finditer(reply):
        number = int(found[1])
        most = last + 1 + (most_skipped if marks else 1)
        if last < number <= most:
            marks.append(_Mark(number, found.start(), found.end()))
            last = number
    return marks
