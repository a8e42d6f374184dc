"""What every checkable small domain offers: items, a generator, a strict parser and a checker."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

FORMS = ("word problem", "diary entry", "report", "dialogue", "riddle", "notice")
"""The document forms; the other domains put their own word before them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One document with its structure: a problem with its worked solution."""

    domain: str
    form: str
    theme: str  # "" where the words belong to no theme that we know
    keywords: tuple[str, ...]
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Check:
    """What a checker can say about a text.

    `passed` is None exactly where the text was not understood: no claim is made then.
    """

    parsed: bool
    passed: bool | None
    detail: str


class Domain(Protocol):
    """A small world whose documents can be made, read and verified by code."""

    @property
    def name(self) -> str:
        """Name of the domain, as a run file gives it."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """The document forms it can write."""
        ...

    def generate(
        self,
        rng: random.Random,
        *,
        form: str | None = None,
        theme: str | None = None,
        keywords: Sequence[str] | None = None,
    ) -> Item:
        """Write a document; keywords, where given, all occur in its text.

        Raises:
            ValueError: the form or the theme is unknown.
        """
        ...

    def parse(self, text: str) -> Item | None:
        """Read a document, or None unless every sentence of it is understood."""
        ...

    def check(self, text: str) -> Check:
        """Verify a document's worked solution and its answer."""
        ...


def split_solution(text: str) -> tuple[str, str]:
    """The problem and what follows `Solution:` ("" where there is none)."""
    problem, _, solution = text.strip().partition("Solution:")
    return problem.strip(), solution.strip()


def same_keyword(keyword: str, text: str) -> bool:
    """Whether a text uses a keyword, in singular or plural."""
    return keyword.casefold() in text.casefold()
