"""Writes pool.jsonl and test.jsonl: story problems with solutions, by the project's own generator.

python examples/active-demo/make_rows.py

The pool is uneven: most of its problems have one step, some two, and the test rows ask for both
alike. Whoever chooses well asks for more of what is rare and hard.
"""

import json
import random
from pathlib import Path

from metasynth.domains.language.base import split_solution
from metasynth.domains.story.domain import StoryDomain

THEMES = ("garden", "kitchen", "market", "library")
POOL, TEST = 120, 80
LONG_IN_POOL = 0.25  # share of problems with two steps


def problem(rng: random.Random, steps: int) -> tuple[str, str]:
    """A problem and its solution."""
    story = StoryDomain().generate(
        rng, theme=rng.choice(THEMES), form="word problem", first_person=False, steps=steps
    )
    return split_solution(story.text)


def rows() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Pool and test rows without a common problem; the same at every start."""
    rng = random.Random("active-demo")
    found: dict[str, str] = {}
    pool: list[dict[str, str]] = []
    test: list[dict[str, str]] = []
    while len(test) < TEST:
        in_pool = len(pool) < POOL
        steps = 1 + (rng.random() < (LONG_IN_POOL if in_pool else 0.5))
        question, solution = problem(rng, steps)
        if question in found:
            continue
        found[question] = solution
        rows, name = (pool, "pool") if in_pool else (test, "test")
        number = len(rows) + 1
        rows.append(
            {
                "id": f"{name}-{number:03d}",
                "prompt": question,
                "completion": f"Solution: {solution}",
            }
        )
    return pool, test


if __name__ == "__main__":
    for name, written in zip(("pool", "test"), rows(), strict=True):
        lines = (json.dumps(row) + "\n" for row in written)
        path = Path(__file__).with_name(f"{name}.jsonl")
        path.write_text("".join(lines), encoding="utf-8")
