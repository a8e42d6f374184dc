"""One run of the study: an arm on a pool from one start, round after round.

Rows, optimiser steps and the learning-rate schedule are the same in every arm, and a start has the
same base student, test and pool in all of them.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.active_arms import ARMS, Arm, Choice, choose, scored
from benchmarks.active_pools import (
    PoolName,
    Sizes,
    StudyItem,
    Teacher,
    easy_items,
    questions,
    seed_pool,
    test_items,
)
from benchmarks.active_student import load_weights, new_student, right, save_weights, train
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed, generator
from metasynth.student.rows import StudentRow


@dataclass(frozen=True)
class Plan:
    """What every run does, the same for all arms."""

    sizes: Sizes = field(default_factory=Sizes)
    width: int = 96
    layers: int = 3
    base_rows: int = 1200
    base_steps: int = 800
    rounds: int = 5
    rows: int = 300  # of each round
    steps: int = 150  # of each round
    rate: float = 1.5e-3

    @property
    def fingerprint(self) -> str:
        """A short name of these settings, so that results of others are not mixed in."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:8]


class Run(NamedTuple):
    """Which run of the study."""

    pool: PoolName
    arm: str
    start: int


def base_rows(plan: Plan, start: int) -> list[StudentRow]:
    """What the base is trained on, and goes on being trained on beside the rows of the rounds."""
    asked = questions(test_items(plan.sizes, start))
    return [item.row for item in easy_items(plan.base_rows, start, forbidden=asked)]


def base_student(plan: Plan, start: int, folder: Path) -> tuple[LoadedLM, float]:
    """The student that all runs of a start begin with, and the CPU seconds its training took.

    It is trained once and kept in the folder.
    """
    student = new_student(seed=start, width=plan.width, layers=plan.layers)
    place = folder / f"base-{plan.fingerprint}-{start}.safetensors"
    if place.exists():
        return student, load_weights(student, place)
    begin = time.process_time()
    rows = base_rows(plan, start)
    train(student, rows, steps=plan.base_steps, rate=plan.rate, seed=derive_seed(start, "base"))
    folder.mkdir(parents=True, exist_ok=True)
    seconds = time.process_time() - begin
    save_weights(student, place, cpu_seconds=seconds)
    return student, seconds


def carry_out(plan: Plan, run: Run, folder: Path) -> dict[str, Any]:
    """What a run found: a line of the results."""
    student, base_seconds = base_student(plan, run.start, folder)
    begin = time.process_time()
    study = Study(plan, run, student, ARMS[run.arm])
    return {
        **study.told(),
        "base_cpu_seconds": base_seconds,
        "cpu_seconds": round(time.process_time() - begin, 2),
    }


class Study:
    """The state of a run.

    Args:
        plan: What all runs do.
        run: Which one this is.
        student: The base.
        arm: What is chosen by.
    """

    def __init__(self, plan: Plan, run: Run, student: LoadedLM, arm: Arm) -> None:
        self.plan, self.run, self.student, self.arm = plan, run, student, arm
        self.test = test_items(plan.sizes, run.start)
        self.base = base_rows(plan, run.start)
        asked = questions(self.test)
        pool = seed_pool(run.pool, plan.sizes, run.start, forbidden=asked)
        self.seeds = {item.row.id: item for item in pool}
        self.teacher = Teacher(asked, set(questions(pool)))
        self.rows: list[StudyItem] = []
        if self.arm.schedule == "static":
            for number in range(1, plan.rounds + 1):
                self.grow(number)

    def told(self) -> dict[str, Any]:
        """All rounds, carried out."""
        rounds = [self.measured(0, Choice(), [], loss=None)]
        rounds += (self.round(number) for number in range(1, self.plan.rounds + 1))
        return {
            **self.run._asdict(),
            "plan": self.plan.fingerprint,
            "student": self.student.name,
            "rounds": rounds,
            "repeated": self.teacher.repeated,
        }

    def round(self, number: int) -> dict[str, Any]:
        """Score, select, write, train, evaluate."""
        choice, parents, pairs = Choice(), list[StudyItem](), None
        if self.arm.schedule == "rounds":
            choice, parents = self.grow(number)
            pairs = self.pairs(choice)
        loss = train(
            self.student,
            [*self.base, *(item.row for item in self.rows)],
            steps=self.plan.steps,
            rate=self.plan.rate,
            seed=self.seed(number, "training"),
        )
        return {**self.measured(number, choice, parents, loss=loss), "pairs": pairs}

    def grow(self, number: int) -> tuple[Choice, list[StudyItem]]:
        """Choose seeds and let the teacher write a child of each."""
        choice = choose(
            self.arm,
            self.student,
            [item.row for item in self.seeds.values()],
            [item.row for item in self.rows],
            self.plan.rows,
            seed=self.seed(number, self.run.arm),
        )
        parents = [self.seeds[one] for one in choice.ids]
        rng = generator(self.seed(number, "teacher"))
        self.rows += [self.teacher.child(rng, parent) for parent in parents]
        return choice, parents

    def pairs(self, choice: Choice) -> list[tuple[float, float]] | None:
        """The scores of the round's parents and children, by the student that chose the parents.

        None where nothing was scored, where the scores are dealt out at random, and for
        `learnable`, which trains to score.
        """
        criterion = self.arm.criterion
        if criterion in (None, "learnable") or self.arm.is_permuted or not choice.scores:
            return None
        children = [item.row for item in self.rows[-len(choice.ids) :]]
        found = scored(criterion, self.student, children, Choice(), seed=self.run.start)
        return [
            (round(choice.scores[parent], 5), round(found[child.id], 5))
            for parent, child in zip(choice.ids, children, strict=True)
            if child.id in found
        ]

    def seed(self, number: int, name: str) -> int:
        """Of what happens in a round; the same for all arms, unless they are named."""
        return derive_seed(self.run.start, name, number)

    def measured(
        self, number: int, choice: Choice, parents: Sequence[StudyItem], *, loss: float | None
    ) -> dict[str, Any]:
        """A round as the results tell it."""
        hits = right(self.student, [item.row for item in self.test])
        by_skill: dict[str, list[bool]] = {}
        for item, hit in zip(self.test, hits, strict=True):
            by_skill.setdefault(item.skill, []).append(hit)
        return {
            "round": number,
            "rows": number * self.plan.rows,
            "steps": number * self.plan.steps,
            "tested": len(hits),
            "accuracy": fmean(hits),
            "skills": {skill: round(fmean(some), 3) for skill, some in by_skill.items()},
            "loss": loss,
            "picks": dict(Counter(item.skill for item in parents)),
            "noise": fmean(item.is_noise for item in parents) if parents else None,
            "seeds": len(self.seeds),
            "unscored": choice.unscored,
            "scoring_seconds": round(choice.seconds, 3),
            "scoring_tokens": choice.tokens,
        }
