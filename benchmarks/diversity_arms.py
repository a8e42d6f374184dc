"""The arms of the diversity study: MetaSynth, parts of it left out, the template's grades."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from metasynth.config.file import load_run_config
from metasynth.config.run import RunConfig
from metasynth.domains.story.domain import StoryDomain
from metasynth.randomness import derive_seed
from metasynth.records.rundir import write_atomically

_EXAMPLES = Path(__file__).parent.parent / "examples"
_DEMO, _TEMPLATE = _EXAMPLES / "demo.yaml", _EXAMPLES / "demo-template.yaml"
_EXEMPLARS = 64
BASELINE, WHOLE, WORLD = "fixed", "metasynth", "world"
ORDER = "fixed_order"


class Arm(NamedTuple):
    """A run file with changes; `told` says what is different about it."""

    file: Path
    changes: Mapping[str, str]
    told: str


_NO_NOVELTY = {
    "gate.min_distance": "0",
    "gate.max_ngram_overlap": "1",
    "gate.max_same_opening": "100000",
}
_PARTS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "no_memory": (
        {"memory.told": "false"},
        "the conductor is told nothing of the corpus: three forms drawn at random in place of the "
        "three least used, no neighbours; the gate still knows the corpus",
    ),
    "no_expansion": (
        {"conductor.without": "[seed_keyword_expansion]"},
        "the expert that expands keywords is not offered; a conductor that asks for it by habit "
        "gets the keywords back as they were",
    ),
    "no_analyst": (
        {"conductor.without": "[content_analyst]"},
        "the content analyst is not offered; a conductor that asks for it is told so",
    ),
    "no_refresh": (
        {"seeds.refresh_every": "100000"},
        "each of the 8 chains keeps its first seed",
    ),
    "no_personas": (
        {"conductor.personas": "false"},
        "the persona that the conductor names is dropped",
    ),
    "no_gate": (
        _NO_NOVELTY,
        "the gate asks for soundness, not for novelty",
    ),
}
_GRADES: Mapping[str, tuple[Mapping[str, str], str]] = {
    BASELINE: ({}, "the domain expert with form and keywords, the same words every time"),
    "fixed_no_refresh": (
        {"seeds.refresh_every": "100000"},
        "as `fixed`, and each of the 8 chains keeps its first seed",
    ),
    "exemplars": (
        {"template.grade": "exemplars"},
        "the editor writes another like one of the real documents, drawn anew for each record",
    ),
    "earlier": (
        {"template.grade": "earlier"},
        "as `exemplars`, and earlier documents of the run are drawn as well",
    ),
    "filtered": (
        {"template.max_likeness": "0.7"},
        "as `fixed`, and what has ROUGE-L 0.7 or more to an earlier document is refused",
    ),
}


def _without_all() -> Arm:
    together = {key: value for changes, _ in _PARTS.values() for key, value in changes.items()}
    together["conductor.without"] = "[seed_keyword_expansion, content_analyst]"
    return Arm(_DEMO, together, "all six parts left out at once")


ARMS: Mapping[str, Arm] = {
    WHOLE: Arm(_DEMO, {}, "the demo's run file without the student"),
    ORDER: Arm(
        _DEMO,
        {"conductor.policy": "fixed"},
        "as `metasynth`, but code asks the experts in their usual order "
        "(`conductor.policy: fixed`)",
    ),
    **{name: Arm(_TEMPLATE, *grade) for name, grade in _GRADES.items()},
    **{name: Arm(_DEMO, *part) for name, part in _PARTS.items()},
    "none_of_them": _without_all(),
}


def run_config(name: str, seed: int, *, records: int, out: Path) -> RunConfig:
    """The run file of an arm."""
    arm = ARMS[name]
    changes = {
        **arm.changes,
        "active": "null",
        "budget.records": str(records),
        "budget.stall_after": "200",
        "random_seed": str(seed),
    }
    if changes.get("template.grade", "fixed") != "fixed":
        changes["template.exemplars"] = str((out / "exemplars.jsonl").resolve())
    return load_run_config(arm.file, [f"{key}={value}" for key, value in changes.items()])


def write_real(out: Path, seeds: list[int], *, records: int) -> None:
    """What stands for real documents: texts of the generator that the embedded model learnt from.

    Each has the keywords of a seed of the demo and one of its forms. The exemplars are no part of
    what the arms are compared with.
    """
    _write(out / "exemplars.jsonl", _EXEMPLARS, "exemplars")
    for seed in seeds:
        _write(corpus_path(out, WORLD, seed), records, f"world {seed}")


def corpus_path(out: Path, arm: str, seed: int) -> Path:
    """Where the corpus of an arm lies."""
    return out / f"{arm}-{seed}" / "corpus.jsonl"


def _write(path: Path, count: int, name: str) -> None:
    demo = load_run_config(_DEMO)
    rng = random.Random(derive_seed(0, "diversity study", name))
    seeds, forms = demo.seeds.keywords, demo.domain.genres
    order = [*rng.sample(seeds, len(seeds))] * (count // len(seeds) + 1)
    domain = StoryDomain()
    lines = [
        json.dumps({"text": domain.generate(rng, form=rng.choice(forms), keywords=keywords).text})
        for keywords in order[:count]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join(lines) + "\n")
