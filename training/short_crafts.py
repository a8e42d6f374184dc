"""The experts' work on deductions and on passages."""

import random
from collections.abc import Sequence
from dataclasses import replace

from metasynth.domains.deduction import (
    Deduction,
    DeductionDomain,
    proof,
    read_deduction,
    write_deduction,
)
from metasynth.domains.language.base import Item, split_solution
from metasynth.domains.language.vocabulary import NAMES, plural
from metasynth.domains.language.words import at
from metasynth.domains.passage import Passage, PassageDomain, read_passage, reason, write_passage


class DeductionCraft:
    """See `crafts.Craft`."""

    name = "deduction"

    def __init__(self) -> None:
        self._domain = DeductionDomain()
        self.forms = self._domain.forms

    def read(self, text: str) -> Deduction | None:
        """Read a deduction, with or without its solution."""
        problem, solution = split_solution(text)
        item = read_deduction(problem)
        return None if item is None else replace(item, text=text, solution=solution)

    def draft(
        self, rng: random.Random, *, form: str, keywords: Sequence[str], theme: str | None = None
    ) -> Deduction:
        """Write a deduction."""
        known = form if form in self.forms else None
        return self._domain.generate(rng, form=known, keywords=keywords, theme=theme)

    def summary(self, item: Item, rng: random.Random) -> str:
        """One sentence: who, what, where, the chain and the question."""
        item = _deduction(item)
        where = f"among the {plural(item.thing)} {at(item.place)}"
        ask = f"whether {item.owner} is {item.prop}"
        chain = " and ".join(f"a {kind}" for kind in item.kinds)
        return rng.choice(
            (
                f"{item.owner}, {where}, is {chain}: a {item.form} that asks {ask}.",
                f"A {item.form} {where} asks {ask}, since {item.owner} is a {item.kinds[0]}.",
                f"{at(item.place).capitalize()}, a {item.form} about {item.owner} and the "
                f"{plural(item.thing)} asks {ask}.",
            )
        )

    def label(self, item: Item) -> str:
        """Theme and property: `garden kindness` would be too free, so `garden wug`."""
        item = _deduction(item)
        return f"{item.theme or item.place} {item.kinds[0]}"

    def subject(self, item: Item) -> str:
        """`lamps in the garden with Nate`."""
        item = _deduction(item)
        return f"{plural(item.thing)} {at(item.place)} with {item.owner}"

    def change(self, item: Item, change: str, rng: random.Random) -> Deduction:
        """Rewrite a deduction."""
        item = _deduction(item)
        if change == "correct":
            problem, _ = split_solution(item.text)
            return replace(item, text=f"{problem} Solution: {proof(item)}")
        if change == "another":
            return self.draft(rng, form=item.form, keywords=(), theme=item.theme or None)
        if change == "other names":
            kept = (item.place, item.thing, *item.details)
            return self._domain.generate(rng, form=item.form, keywords=kept)
        if change == "easier":
            return write_deduction(replace(item, kinds=item.kinds[:-1] or item.kinds), rng)
        if change == "harder":
            fresh = self._domain.generate(rng, length=3).kinds
            more = [kind for kind in fresh if kind not in item.kinds][:1]
            return write_deduction(replace(item, kinds=(*item.kinds, *more)[:3]), rng)
        form = "logic diary" if change == "first person" else change.removeprefix("form ")
        form = form if form in self.forms else "logic puzzle"
        names = [name for name in rng.sample(NAMES, 4) if name != item.owner]
        spoken = form == "logic dialogue"
        teller, asker = (item.witness or names[0], names[1]) if spoken else ("", "")
        witness = "" if spoken else item.witness
        told = replace(item, form=form, teller=teller, asker=asker, witness=witness)
        return write_deduction(told, rng)

    def solution(self, item: Item) -> str:
        """The right proof."""
        return f"Solution: {proof(_deduction(item))}"

    def spoil(self, item: Item, rng: random.Random) -> str:
        """The document with a wrong answer."""
        return _spoilt(item.text, proof(_deduction(item)), rng)


class PassageCraft:
    """See `crafts.Craft`."""

    name = "passage"

    def __init__(self) -> None:
        self._domain = PassageDomain()
        self.forms = self._domain.forms

    def read(self, text: str) -> Passage | None:
        """Read a passage, with or without its solution."""
        problem, solution = split_solution(text)
        item = read_passage(problem)
        return None if item is None else replace(item, text=text, solution=solution)

    def draft(
        self, rng: random.Random, *, form: str, keywords: Sequence[str], theme: str | None = None
    ) -> Passage:
        """Write a passage."""
        known = form if form in self.forms else None
        return self._domain.generate(rng, form=known, keywords=keywords, theme=theme)

    def summary(self, item: Item, rng: random.Random) -> str:
        """One sentence: who is busy with what, where and when, and what is asked."""
        item = _passage(item)
        first, second = item.facts[:2]
        things = " and ".join(f"the {fact.thing}" for fact in item.facts)
        return rng.choice(
            (
                f"{first.who} is busy with the {first.thing} {at(first.place)} on {first.day}, "
                f"{second.who} with the {second.thing}: a {item.form} that asks for the "
                f"{item.about}.",
                f"A {item.form} on {first.who} and {second.who}, about {things}, asks for the "
                f"{item.about}.",
                f"{at(first.place).capitalize()}, {first.who} deals with the {first.thing}; the "
                f"{item.form} asks about {item.fact.who} and the {item.about}.",
            )
        )

    def label(self, item: Item) -> str:
        """Theme and first thing: `office lamp`."""
        item = _passage(item)
        return f"{item.theme or item.facts[0].place} {item.facts[0].thing}"

    def subject(self, item: Item) -> str:
        """`the lamp in the garden with Nate`."""
        first = _passage(item).facts[0]
        return f"the {first.thing} {at(first.place)} with {first.who}"

    def change(self, item: Item, change: str, rng: random.Random) -> Passage:
        """Rewrite a passage."""
        item = _passage(item)
        first = item.facts[0]
        if change == "correct":
            problem, _ = split_solution(item.text)
            return replace(item, text=f"{problem} Solution: {reason(item)}")
        if change in ("another", "harder", "easier"):
            return self.draft(rng, form=item.form, keywords=(), theme=item.theme or None)
        if change == "other names":
            kept = (first.place, first.thing)
            return self._domain.generate(rng, form=item.form, keywords=kept)
        form = "reading diary" if change == "first person" else change.removeprefix("form ")
        form = form if form in self.forms else "reading passage"
        people = [fact.who for fact in item.facts]
        names = [name for name in rng.sample(NAMES, 6) if name not in people]
        spoken = form == "reading dialogue"
        teller, asker = (names[0], names[1]) if spoken else ("", "")
        return write_passage(replace(item, form=form, teller=teller, asker=asker), rng)

    def solution(self, item: Item) -> str:
        """The right reason and answer."""
        return f"Solution: {reason(_passage(item))}"

    def spoil(self, item: Item, rng: random.Random) -> str:
        """The document with a wrong answer."""
        return _spoilt(item.text, reason(_passage(item)), rng)


def _spoilt(text: str, solution: str, rng: random.Random) -> str:
    """The text with the other answer, sometimes with the step before it turned, too."""
    problem, _ = split_solution(text)
    body, _, answer = solution.removesuffix(".").rpartition(" ")
    other = "no" if answer == "yes" else "yes"
    if rng.random() < 0.3:
        body = body.replace(" is not ", " is ") if " is not " in body else body
    return f"{problem} Solution: {body} {other}."


def _deduction(item: Item) -> Deduction:
    assert isinstance(item, Deduction)
    return item


def _passage(item: Item) -> Passage:
    assert isinstance(item, Passage)
    return item
