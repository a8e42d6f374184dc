"""Reading answers: numbers as people and models write them, and one of some labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\].])[-−–](?=[$€£.\d]))?(?:[$€£]\s?)?(?P<inner>(?<=[$€£])[-−–])?"
    r"(?:(?P<whole>\d+)\s+(?P<top>\d+)\s?/\s?(?P<bottom>\d+)"
    rf"|(?P<decimal>{_DIGITS}(?:\.\d+)?|\.\d+)(?P<power>[eE][-+]?\d{{1,3}})?"
    rf"(?:\s?/\s?(?P<under>{_DIGITS}(?:\.\d+)?))?)"
    r"(?P<percent>\s?%)?"
)
_LED_IN = re.compile(r"\banswer\b\s*(?:is|:|=)+\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written.

    Attributes:
        value: Without its percent sign: 7.5 % is 7.5.
        decimals: Digits behind the point; below 0 where a power of ten moves it.
        digits: Digits that say something: leading zeros do not.
        is_percent: Whether a percent sign follows.
        text: As it stood there.
    """

    value: Fraction
    decimals: int
    digits: int
    is_percent: bool
    text: str


def numbers_in(text: str) -> list[Number]:
    """All numbers of a text: with thousands commas, a sign, a currency, as fractions, in per cent.

    A minus between two numbers is a subtraction, not a sign. What divides by zero is left out.
    """
    numbers = (_number(match) for match in _NUMBER.finditer(text))
    return [number for number in numbers if number is not None]


def final_number(text: str) -> Number | None:
    """The number an answer comes to.

    Behind the first `####` with a number on the line that begins there; else behind the last
    "answer is" or "answer:" with a number on its line; else the last number. What a model adds
    behind a marked answer does not count.
    """
    for part in text.split("####")[1:]:
        if numbers := numbers_in(part.lstrip().partition("\n")[0]):
            return numbers[0]
    for match in reversed(list(_LED_IN.finditer(text))):
        if numbers := numbers_in(text[match.end() :].partition("\n")[0]):
            return numbers[0]
    numbers = numbers_in(text)
    return numbers[-1] if numbers else None


def label_in(text: str, labels: Sequence[str]) -> str | None:
    """The one of some labels that an answer gives; None where it gives none, or is undecided.

    The label that stands right behind the last "answer is" or "answer:"; else the one that the text
    begins with; else the only one that occurs in it as a word. Case does not matter, but for a
    single letter: it must be a capital, and end a line or stand before `)`, `.` or `:`, so that the
    article A is none.
    """
    folded = {label.casefold(): label for label in labels}
    words = re.compile("|".join(map(_as_word, sorted(labels, key=len, reverse=True))))
    for match in reversed(list(_LED_IN.finditer(text))):
        if word := words.match(text, _behind_marks(text, match.end())):
            return folded[word[0].casefold()]
    if word := words.match(text, _behind_marks(text, 0)):
        return folded[word[0].casefold()]
    occurring = {word[0].casefold() for word in words.finditer(text)}
    return folded[occurring.pop()] if len(occurring) == 1 else None


def plain_number(value: Fraction) -> str:
    """A number without a fraction bar."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


def rounds_to(number: Number, wanted: Fraction, *, least_digits: int = 3) -> bool:
    """Whether a number is `wanted`, or what `wanted` is when rounded to the digits it shows.

    A number of fewer than `least_digits` digits must be exact. A percent sign, or none where one
    was meant, is taken either way.
    """
    for percent in (False, True):
        value = number.value / 100 if percent else number.value
        half = Fraction(10) ** -(number.decimals + 2 * percent) / 2
        near = abs(value - wanted) <= half and number.digits >= least_digits
        if value == wanted or near:
            return True
    # a share where a percentage was wanted
    return number.value * 100 == wanted


def _as_word(label: str) -> str:
    if len(label) == 1:
        return rf"(?<!\w){re.escape(label)}(?=[*_\s]*(?:[).:\]]|$|\n))"
    return rf"(?<!\w)(?i:{re.escape(label)})(?!\w)"


def _behind_marks(text: str, place: int) -> int:
    """The place behind what may stand before a label: blanks, quotation marks, brackets, stars."""
    match = re.compile(r"[\s\"'“‘(\[*_`:]*").match(text, place)
    return match.end() if match else place


def _number(match: "re.Match[str]") -> Number | None:
    part = match.groupdict()
    percent = part["percent"] is not None
    if part["whole"] is not None:
        top, bottom = int(part["top"]), int(part["bottom"])
        if not bottom:
            return None
        value = int(part["whole"]) + Fraction(top, bottom)
        digits, decimals = len(part["whole"]), 0
    else:
        plain = part["decimal"].replace(",", "")
        under = (part["under"] or "1").replace(",", "")
        if not Fraction(under):
            return None
        value = Fraction(plain + (part["power"] or "")) / Fraction(under)
        decimals = len(plain.partition(".")[2]) - int((part["power"] or "e0")[1:])
        digits = len(plain.replace(".", "").lstrip("0")) or 1
    sign = -1 if part["sign"] or part["inner"] else 1
    return Number(sign * value, decimals, digits, percent, match[0].strip())
