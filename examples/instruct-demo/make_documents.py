"""Writes documents.jsonl: short texts in many forms, by the project's own generator.

Their questions without the solutions go to instructions.jsonl: what two baselines start from.

python examples/instruct-demo/make_documents.py
"""

import json
import random
from pathlib import Path

from metasynth.domains.language.vocabulary import THEMES
from metasynth.domains.story.domain import StoryDomain

FORMS = ("word problem", "diary entry", "report", "riddle", "notice")


def documents() -> list[str]:
    """One document for each theme and form, with their solutions; the same at every start."""
    rng = random.Random("instruct-demo")
    pairs = [(theme, form) for theme in THEMES for form in FORMS]
    rng.shuffle(pairs)
    domain = StoryDomain()
    return [domain.generate(rng, theme=theme, form=form).text for theme, form in pairs[:40]]


if __name__ == "__main__":
    texts = documents()
    questions = [text.partition(" Solution:")[0] for text in texts]
    for name, found in (("documents", texts), ("instructions", questions)):
        lines = (json.dumps({"text": text}) + "\n" for text in found)
        path = Path(__file__).with_name(f"{name}.jsonl")
        path.write_text("".join(lines), encoding="utf-8")
