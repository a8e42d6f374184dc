"""What is wrong with a sample, by its text alone: no model, no language but what is said here.

Small clusters are taken whole by the round robin, and garbage makes small clusters: junk is removed
before clustering (fact: on real questions 94 of 700 clusters hold one text). The rules are made to
let real texts pass; what is fluent but senseless is for the gate and the student to find.
"""

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import Literal

from metasynth.config.softsrv import PostprocessConfig
from metasynth.text.words import words

Reason = Literal[
    "truncated",
    "too_short",
    "too_long",
    "repetition",
    "not_language",
    "no_question_mark",
    "no_number",
    "no_code",
]

_LOOPED_LETTERS = re.compile(r"([^\W\d_]{1,8}?)\1{7,}")
_LONGEST_PERIOD = 40  # words of a loop
_SAID_BEFORE = 0.5  # share of 4-grams that occurred earlier in the text

_WITHOUT_BLANKS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_LATIN_RUN = re.compile(r"[a-zA-Z]{41,}")
_ASCII_WORD = re.compile(r"(?<![^\W\d_])(?<!\\)[a-zA-Z]{4,}(?![^\W\d_])")  # but no \sqrt
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)
_FEWEST_SIGNS = 0.4  # share of letters and digits among what is not blank
_MOST_VOWELLESS = 0.15

_QUESTION_MARKS = "?？؟⸮՞;"
_NUMBER_WORD = re.compile(
    r"\b(?:zero|two|three|five|six(?:th)?|nine|ten|eleven|twelve|four|seven|eight|"
    r"(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|"
    r"hundreds?|thousands?|millions?|billions?|dozens?|half|halves|thirds?|quarters?|"
    r"twice|thrice|doubled?|tripled?|couple)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(
    r"\s*(?:(?:async\s+)?def\s|class\s|import\s|from\s+[\w.]+\s+import\s|assert\b|@\w|for\s.*:\s*$|"
    r"while\s.*:\s*$|if\s.*:\s*$|return\b|print\(|[A-Za-z_][\w.]*(?:\[.*\])?\s*=[^=])"
)


def junk_reasons(text: str, config: PostprocessConfig, *, stopped: bool = True) -> list[Reason]:
    """Everything that is wrong with a text; empty for one that is clean.

    Args:
        config: Its lengths, and what a text of this task `needs`.
        stopped: Whether the sample ended by itself.
    """
    return list(_reasons(text, config, stopped))


def _reasons(text: str, config: PostprocessConfig, stopped: bool) -> Iterator[Reason]:
    if not stopped:
        yield "truncated"
    # where no blanks stand between words, characters are counted
    size = len(words(text)) + len(_WITHOUT_BLANKS.findall(text))
    if size < config.min_words:
        yield "too_short"
    if size > config.max_words:
        yield "too_long"
    if _is_loop(text):
        yield "repetition"
    if not _is_language(text):
        yield "not_language"
    if "question_mark" in config.needs and not any(sign in text for sign in _QUESTION_MARKS):
        yield "no_question_mark"
    if "number" in config.needs and not _has_number(text):
        yield "no_number"
    if "code" in config.needs and not _has_code(text):
        yield "no_code"


def _is_loop(text: str) -> bool:
    """Whether it repeats itself: a few letters 8 times, words in a row, or most of what it says.

    One word counts from the fifth time on, two or three words from the fourth, longer runs from the
    third. Runs of numbers and single letters do not count: tasks hold [0, 0, 0, 0] and f(f(f(2))).
    """
    if _LOOPED_LETTERS.search(text):
        return True
    found = words(text)
    says = [len(word) > 1 and not word.isnumeric() for word in found]
    for period in range(1, min(_LONGEST_PERIOD, len(found) // 3) + 1):
        needed = period * (4 if period == 1 else 3 if period < 4 else 2)
        run = 0
        for place in range(period, len(found)):
            run = run + 1 if found[place] == found[place - period] else 0
            if run >= needed and any(says[place - period : place]):
                return True
    grams = list(zip(found, found[1:], found[2:], found[3:], strict=False))
    return len(grams) >= 20 and len(set(grams)) < _SAID_BEFORE * len(grams)


def _is_language(text: str) -> bool:
    """Whether it is made of what texts are made of; says nothing about sense or grammar."""
    if any(_is_broken(character) for character in set(text)):
        return False
    visible = [character for character in text if not character.isspace()]
    signs = sum(unicodedata.category(character)[0] in "LMN" for character in visible)
    if signs < _FEWEST_SIGNS * len(visible) or not visible or _LATIN_RUN.search(text):
        return False
    found = _ASCII_WORD.findall(text)
    without = sum(not _VOWEL.search(word) for word in found)
    return without < 3 or without <= _MOST_VOWELLESS * len(found)


def _is_broken(character: str) -> bool:
    """A replacement sign, a control sign, or a code that stands for nothing."""
    if character in "\n\t\r":
        return False
    return character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")


def _has_number(text: str) -> bool:
    if any(character.isnumeric() for character in text):
        return True
    return _NUMBER_WORD.search(text) is not None


def _has_code(text: str) -> bool:
    """Whether there is Python in it, and all of it parses; nothing is executed."""
    fenced = _FENCE.findall(text)
    if fenced:
        blocks = [code for name, code in fenced if name.lower() in ("", "python", "py", "python3")]
        return bool(blocks) and all(map(_parses, blocks))
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if _CODE_LINE.match(line)), None)
    return start is not None and _parses("\n".join(lines[start:]))


def _parses(code: str) -> bool:
    """Whether it is Python that does something; a bare word parses too, but is no code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in strings
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return any(
        not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body
    )
