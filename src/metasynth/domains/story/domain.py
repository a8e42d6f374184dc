"""Story problems: someone has things, gains and loses some, and a number is asked for."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from metasynth.domains.language.base import FORMS, Check, split_solution
from metasynth.domains.language.words import cast

from .model import MAX_START, Story, solution_fault
from .reading import read_problem
from .writing import plan, write

_SOLUTION = re.compile(r"(?:\d+ [-+*] \d+ = -?\d+\. ){1,6}The answer is -?\d+\.")


class StoryDomain:
    """Generator, parser and checker of story problems."""

    name = "story"
    forms = FORMS

    def generate(
        self,
        rng: random.Random,
        *,
        form: str | None = None,
        theme: str | None = None,
        keywords: Sequence[str] | None = None,
        first_person: bool | None = None,
        steps: int | None = None,
    ) -> Story:
        """Write a story problem; see `Domain.generate`.

        Raises:
            ValueError: the form or the theme is unknown.
        """
        form = form or rng.choice(self.forms)
        if form not in self.forms:
            raise ValueError(f"unknown form {form!r}; one of {', '.join(self.forms)}")
        if first_person is None or form != "word problem":
            first_person = form == "word problem" and rng.random() < 0.12
        players = cast(rng, theme=theme, keywords=keywords)
        story = Story(
            domain=self.name,
            form=form,
            theme=players.theme,
            keywords=(players.place, players.thing, players.owner, *players.details),
            text="",
            answer="",
            first_person=first_person,
            owner=players.owner,
            speaker=players.other if form == "dialogue" else "",
            thing=players.thing,
            place=players.place,
            details=players.details,
            start=rng.randint(3, MAX_START),
            steps=(),
            solution="",
        )
        return write(plan(story, players, rng, count=steps), players, rng)

    def parse(self, text: str) -> Story | None:
        """Read a story problem with its solution; None unless every sentence is understood."""
        problem, solution = split_solution(text)
        if not _SOLUTION.fullmatch(solution):
            return None
        story = read_problem(problem)
        if story is None:
            return None
        answer = solution.removesuffix(".").rsplit(" ", 1)[-1]
        return replace(story, text=text, answer=answer, solution=solution)

    def check(self, text: str) -> Check:
        """Verify every line of the worked solution against the events, and the answer."""
        story = self.parse(text)
        if story is None:
            return Check(False, None, "not understood as a story problem with a worked solution")
        fault = solution_fault(story)
        return Check(True, not fault, fault or f"the answer {story.answer} is right")
