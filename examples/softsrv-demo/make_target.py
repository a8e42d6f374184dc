"""Writes target.jsonl: short word problems of one theme, by the project's own generator.

python examples/softsrv-demo/make_target.py
"""

import json
import random
from pathlib import Path

from metasynth.domains.language.base import split_solution
from metasynth.domains.story.domain import StoryDomain

THEME = "garden"
STEPS = (1, 2)
COUNT = 300


def questions() -> list[str]:
    """The questions, without their solutions; the same at every start."""
    rng = random.Random("softsrv-demo")
    found: dict[str, None] = {}
    while len(found) < COUNT:
        story = StoryDomain().generate(
            rng, theme=THEME, form="word problem", first_person=False, steps=rng.choice(STEPS)
        )
        found[split_solution(story.text)[0]] = None
    return list(found)


if __name__ == "__main__":
    lines = (json.dumps({"text": question}) + "\n" for question in questions())
    Path(__file__).with_name("target.jsonl").write_text("".join(lines), encoding="utf-8")
