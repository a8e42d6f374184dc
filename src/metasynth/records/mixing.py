"""Texts of several sources mixed by tokens, and packed into sequences of one length.

Nothing is repeated, and a text is taken whole: a source's share is met within half of its text that
comes last. A packed sequence goes on in the next one, so that every token of a text is there once,
in order.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from metasynth.randomness import generator


@dataclass(frozen=True, slots=True)
class Piece:
    """A text with its tokens, those that mark its beginning and end included."""

    source: str
    id: str
    text: str
    tokens: "array[int]"


class Packed(NamedTuple):
    """Tokens of several pieces in a row: how many of each, and whose they are."""

    tokens: list[int]
    lengths: list[int]
    ids: list[str]


def most_tokens(available: Sequence[int], shares: Sequence[Fraction]) -> int:
    """The most tokens that sources with so many can give together in these shares."""
    return min(int(count / share) for count, share in zip(available, shares, strict=True))


def normalised(shares: Sequence[Fraction]) -> list[Fraction]:
    """Shares that add up to one; all are above zero."""
    whole = sum(shares)
    return [share / whole for share in shares]


def taken(pieces: Iterable[Piece], quota: int) -> list[Piece]:
    """Pieces in their order until their tokens come as near to `quota` as whole pieces can."""
    found: list[Piece] = []
    count = 0
    for piece in pieces:
        over = count + len(piece.tokens) - quota
        if over > 0 and over > quota - count:
            break
        found.append(piece)
        count += len(piece.tokens)
        if over >= 0:
            break
    return found


def mixed(groups: Iterable[Sequence[Piece]], seed: int) -> list[Piece]:
    """The pieces of all sources in one order, drawn by the seed."""
    pieces = [piece for group in groups for piece in group]
    generator(seed, "mix").shuffle(pieces)
    return pieces


def packed(pieces: Iterable[Piece], length: int) -> Iterator[Packed]:
    """Sequences of `length` tokens, the last one with what is left; pieces go on in the next."""
    open_ = Packed([], [], [])
    for piece in pieces:
        start = 0
        while start < len(piece.tokens):
            part = piece.tokens[start : start + length - len(open_.tokens)]
            open_.tokens.extend(part)
            open_.lengths.append(len(part))
            open_.ids.append(f"{piece.source}/{piece.id}")
            start += len(part)
            if len(open_.tokens) == length:
                yield open_
                open_ = Packed([], [], [])
    if open_.tokens:
        yield open_
