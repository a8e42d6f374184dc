"""Where in a text a mark stands: in code, between quotes, in a sentence, or on its own."""

import re

_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)
_QUOTES = "\"'“”‘’«»`"
_ENDS_A_SENTENCE = '.!?…:。！？)]"”*>'
_GOES_ON = ",.;:!?)]…–-'’"


def in_code(text: str, start: int) -> bool:
    """Whether a place lies in a Markdown fence or between backticks."""
    fenced = "```" in text or "~~~" in text
    if fenced and sum(1 for _ in _FENCE.finditer(text, 0, start)) % 2:
        return True
    return _line_before(text, start).count("`") % 2 == 1


def quoted(text: str, start: int, end: int) -> bool:
    """Whether what stands at `start:end` is code or stands between quotes."""
    around = text[max(0, start - 1) : start], text[end : end + 1]
    return all(mark and mark in _QUOTES for mark in around) or in_code(text, start)


def in_sentence(text: str, start: int, end: int) -> bool:
    """Whether a sentence speaks of what stands at `start:end`: it goes on at both sides of it."""
    before = _line_before(text, start)
    stop = text.find("\n", end)
    after = text[end:] if stop < 0 else text[end:stop]
    if not before.strip():
        return False
    ended = before.rstrip()[-1] in _ENDS_A_SENTENCE
    if not after.strip():
        return before[-1].isspace() and not ended
    if after[0].isspace():
        return not ended or after.lstrip()[0] in _GOES_ON
    return after[0] in _GOES_ON


def begins_line(text: str, start: int) -> bool:
    """Whether nothing but blanks stands before a place on its line."""
    return not _line_before(text, start).strip()


def _line_before(text: str, start: int) -> str:
    return text[text.rfind("\n", 0, start) + 1 : start]
