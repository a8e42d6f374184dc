"""What the experts do with a document of a domain: summaries, labels, rewrites, solutions."""

import random
from collections.abc import Sequence
from typing import Protocol

from metasynth.domains.language.base import Item

from .short_crafts import DeductionCraft, PassageCraft
from .story_craft import StoryCraft

Change = str
"""One of `other names`, `form NAME`, `harder`, `easier`, `another`, `first person`, `correct`."""


class Craft(Protocol):
    """A domain as the experts see it."""

    @property
    def name(self) -> str:
        """Name of the domain."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """Forms that it writes."""
        ...

    def read(self, text: str) -> Item | None:
        """Read a document, with or without its solution."""
        ...

    def draft(
        self, rng: random.Random, *, form: str, keywords: Sequence[str], theme: str | None = None
    ) -> Item:
        """Write a document."""
        ...

    def summary(self, item: Item, rng: random.Random) -> str:
        """One sentence that says who, what, where and what happens."""
        ...

    def label(self, item: Item) -> str:
        """A topic of one to three words."""
        ...

    def subject(self, item: Item) -> str:
        """`lamps in the garden with Nate`."""
        ...

    def change(self, item: Item, change: Change, rng: random.Random) -> Item:
        """Rewrite a document."""
        ...

    def solution(self, item: Item) -> str:
        """The right worked solution."""
        ...

    def spoil(self, item: Item, rng: random.Random) -> str:
        """The document with a wrong number or answer in its solution."""
        ...


CRAFTS: tuple[Craft, ...] = (StoryCraft(), DeductionCraft(), PassageCraft())


def craft_of(text: str) -> tuple[Craft, Item] | None:
    """The craft that understands a text, with what it read."""
    for craft in CRAFTS:
        item = craft.read(text)
        if item is not None:
            return craft, item
    return None


def craft_for(form: str) -> Craft:
    """The craft that writes a form; story problems where none does."""
    return next((craft for craft in CRAFTS if form in craft.forms), CRAFTS[0])
