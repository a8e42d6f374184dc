"""Writes documents.jsonl: short texts in many forms, by the project's own generator.

python examples/instruct-demo/make_documents.py
"""

import json
import random
from pathlib import Path

from metasynth.domains import THEMES, StoryDomain

FORMS = ("word problem", "diary entry", "report", "riddle", "notice")


def documents() -> list[str]:
    """One document for each theme and form, with their solutions; the same at every start."""
    rng = random.Random("instruct-demo")
    pairs = [(theme, form) for theme in THEMES for form in FORMS]
    rng.shuffle(pairs)
    domain = StoryDomain()
    return [domain.generate(rng, theme=theme, form=form).text for theme, form in pairs[:40]]


if __name__ == "__main__":
    lines = (json.dumps({"text": document}) + "\n" for document in documents())
    Path(__file__).with_name("documents.jsonl").write_text("".join(lines), encoding="utf-8")
