"""The experts' work on story problems."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from metasynth.domains.language.base import FORMS, Item, split_solution
from metasynth.domains.language.vocabulary import THEMES, plural
from metasynth.domains.language.words import Cast, at, cast
from metasynth.domains.story.domain import StoryDomain
from metasynth.domains.story.model import Story, worked_solution
from metasynth.domains.story.phrases import bend
from metasynth.domains.story.reading import read_problem
from metasynth.domains.story.writing import plan, write


class StoryCraft:
    """See `crafts.Craft`."""

    name = "story"
    forms = FORMS

    def __init__(self) -> None:
        self._domain = StoryDomain()

    def read(self, text: str) -> Story | None:
        """Read a story problem, with or without its solution."""
        problem, solution = split_solution(text)
        story = read_problem(problem)
        return None if story is None else replace(story, text=text, solution=solution)

    def draft(
        self, rng: random.Random, *, form: str, keywords: Sequence[str], theme: str | None = None
    ) -> Story:
        """Write a story problem."""
        known = form if form in FORMS else None
        return self._domain.generate(rng, form=known, keywords=keywords, theme=theme)

    def summary(self, item: Item, rng: random.Random) -> str:
        """One sentence: who, what, where, what happens, in which form."""
        story = _story(item)
        items = plural(story.thing)
        deeds = [
            bend(step.phrase, "present").format(n="some", items=items, B=step.other)
            for step in story.steps
        ]
        happens = deeds[0] if len(deeds) == 1 else f"{', '.join(deeds[:-1])} and {deeds[-1]}"
        beside = f", near the {story.details[0]}" if story.details else ""
        where, form = at(story.place), _a(story.form)
        count = f"{len(deeds)} step{'s' * (len(deeds) > 1)}"
        return rng.choice(
            (
                f"{story.owner} has {story.start} {items} {where}{beside} and {happens}, "
                f"told as {form}.",
                f"{where.capitalize()}{beside}, {story.owner} {happens}: {form} about {items}.",
                f"{form.capitalize()} in {count} about {items} {where}{beside}, "
                f"where {story.owner} {happens}.",
            )
        )

    def label(self, item: Item) -> str:
        """Theme and things: `office lamps`."""
        story = _story(item)
        return f"{story.theme or story.place} {plural(story.thing)}"

    def subject(self, item: Item) -> str:
        """`lamps in the garden with Nate`."""
        story = _story(item)
        return f"{plural(story.thing)} {at(story.place)} with {story.owner}"

    def change(self, item: Item, change: str, rng: random.Random) -> Story:
        """Rewrite a story problem."""
        story = _story(item)
        if change == "correct":
            return self._solved(story)
        if change == "another":
            return self.draft(rng, form=story.form, keywords=(), theme=story.theme or None)
        if change == "other names":
            kept = (story.place, story.thing, *story.details)
            return self._domain.generate(
                rng, form=story.form, keywords=kept, first_person=story.first_person
            )
        return self._retold(story, change, rng)

    def _solved(self, story: Story) -> Story:
        problem, _ = split_solution(story.text)
        solution = worked_solution(story.start, story.steps)
        return replace(
            story,
            text=f"{problem} Solution: {solution}",
            solution=solution,
            answer=str(story.values[-1]),
        )

    def _retold(self, story: Story, change: str, rng: random.Random) -> Story:
        players = _players(story, rng)
        if change in ("harder", "easier"):
            count = min(3, len(story.steps) + 1) if change == "harder" else 1
            if change == "easier":
                count = max(1, len(story.steps) - 1)
                kept = story.steps[:count]
                return write(replace(story, steps=kept), players, rng)
            if count == len(story.steps):
                return write(plan(story, players, rng, count=3), players, rng)
            grown = plan(replace(story, start=max(story.values[-1], 0)), players, rng, count=1)
            return write(replace(story, steps=(*story.steps, *grown.steps)), players, rng)
        form = "word problem" if change == "first person" else change.removeprefix("form ")
        form = form if form in FORMS else "word problem"
        story = replace(
            story,
            form=form,
            first_person=change == "first person",
            speaker=players.other if form == "dialogue" else "",
        )
        return write(story, players, rng)

    def solution(self, item: Item) -> str:
        """The right worked solution."""
        story = _story(item)
        return f"Solution: {worked_solution(story.start, story.steps)}"

    def spoil(self, item: Item, rng: random.Random) -> str:
        """The document with one wrong number in its solution."""
        problem, solution = split_solution(self._solved(_story(item)).text)
        numbers = list(re.finditer(r"\d+", solution))
        last = rng.choice((numbers[-1], *numbers))
        wrong = str(max(0, int(last.group()) + rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))))
        spoilt = solution[: last.start()] + wrong + solution[last.end() :]
        return f"{problem} Solution: {spoilt}"


def _story(item: Item) -> Story:
    assert isinstance(item, Story)
    return item


def _a(form: str) -> str:
    return f"a {form}"


def _players(story: Story, rng: random.Random) -> Cast:
    """The cast of a story that exists: others keep their names, a new asker is someone else."""
    others = [step.other for step in story.steps if step.other]
    fresh = cast(rng, theme=story.theme if story.theme in THEMES else None)
    taken = {story.owner, *others}
    name = next(n for n in (fresh.owner, fresh.other, fresh.third) if n not in taken)
    return fresh._replace(theme=story.theme, owner=story.owner, other=name, other_asked=False)
