"""At an equal budget: are instructions of MetaSynth-Instruct more diverse than the baselines'?

Teacher of all arms is the embedded model, documents and verifier are instruct-demo's; Self-Instruct
and Evol-Instruct start from the questions of the same documents. Every arm may use so many tokens,
in and out, for each seed of randomness; what it has accepted by then is its corpus. Of each corpus
as many questions are measured as the smallest one has, cut to equally many words. How many records
an arm makes of the budget stands beside it: an arm that makes few, very different ones and an arm
that makes many are both told.

    python -m benchmarks.instruct_study --out runs/instruct-study [--tokens 150000] [--jobs 2]

Each arm is a run directory below OUT and is not written again once it is finished; one that was
killed goes on. The table is made of what is there.
"""

import argparse
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.diversity_report import by_arm, costs_table, table
from benchmarks.diversity_study import DONE, read_json, write_corpus
from metasynth.config.file import load_run_config
from metasynth.config.run import RunConfig
from metasynth.eval.comparison import MetricInputs
from metasynth.eval.text_corpus import Document, TextCorpus
from metasynth.records.record import read_records
from metasynth.records.rundir import write_atomically

_EXAMPLES = Path(__file__).parent.parent / "examples"
WHOLE = "instruct"
ARMS: Mapping[str, str] = {
    WHOLE: "instruct-demo.yaml",
    "self_instruct": "instruct-self-instruct.yaml",
    "evol_instruct": "instruct-evol-instruct.yaml",
    "template_qa": "instruct-template-qa.yaml",
}
_FEWEST = 20  # records that say something about a corpus
NOTE = """\
Mean over {seeds} seeds of randomness, {tokens:,} tokens for each arm and seed. MeasuredCorpus are
questions, as many of each arm as the smallest corpus of a seed has ({records}), cut to equally many
words ({words}). ↑: more is more diverse, ↓: less is. Brackets: 95 % intervals, Student's t over the
seeds.

The verifier refuses wrong answers in every arm, so an arm may keep the easier questions. The
embedded model is a toy that knows a small world: the table is about it, not about large models."""


def run_config(name: str, seed: int, *, tokens: int) -> RunConfig:
    """The run file of an arm: its budget of tokens is what ends it."""
    changes = (
        f"budget.tokens={tokens}",
        "budget.records=1000000",
        "budget.stall_after=1000",
        "instruct.per_document=100000",
        f"random_seed={seed}",
    )
    return load_run_config(_EXAMPLES / ARMS[name], changes)


def carry_out(name: str, seed: int, tokens: int, out: Path) -> str:
    """Write the corpus of an arm, or go on with it; a line about it."""
    config = run_config(name, seed, tokens=tokens)
    return write_corpus(config, out / f"{name}-{seed}", asked=tokens)


def is_done(name: str, seed: int, tokens: int, out: Path) -> bool:
    """Whether an arm has used so many tokens."""
    return int(read_json(out / f"{name}-{seed}" / DONE).get("asked", 0)) >= tokens


def questions(out: Path, name: str, seed: int) -> TextCorpus:
    """What the accepted records of an arm ask."""
    found = read_records(out / f"{name}-{seed}" / "corpus.jsonl")
    return TextCorpus(name, tuple(Document(one.question) for one in found))


def measured(out: Path, seed: int) -> dict[str, Any]:
    """Every metric of the arms of one seed that have records enough, all cut to one size."""
    from metasynth.eval.comparison import compare
    from metasynth.vectors.embed import load_embedder

    corpora = [questions(out, name, seed) for name in ARMS]
    there = [one for one in corpora if len(one.documents) >= _FEWEST]
    few = [one for one in corpora if one not in there]
    told = [f"{one.name} {seed}: {len(one.documents)} accepted, too few to measure" for one in few]
    if not there:
        return {"seed": seed, "records": 0, "words": 0, "warnings": told, "arms": {}}
    records = min(len(one.documents) for one in there)
    embedder = load_embedder("default", cache=out / "vectors.sqlite")
    try:
        means = MetricInputs(embed=embedder.vectors)
        found = compare([(one, "candidate") for one in there], means, records=records, draws=1)
    finally:
        embedder.close()
    return {
        "seed": seed,
        "records": records,
        "words": found.words,
        "warnings": [*told, *found.warnings],
        "arms": {
            one.name: {metric: one.metrics[metric].mean for metric in one.metrics}
            for one in found.corpora
        },
    }


def write_report(out: Path, seeds: Sequence[int], *, tokens: int) -> str:
    """The table of the seeds of which every arm is finished."""
    whole = [seed for seed in seeds if all(is_done(name, seed, tokens, out) for name in ARMS)]
    if not whole:
        return "no seed has all its arms finished yet"
    found = [measured(out, seed) for seed in whole]
    costs = {
        (name, seed): read_json(out / f"{name}-{seed}" / DONE) for name in ARMS for seed in whole
    }
    text = report(found, costs, tokens=tokens)
    write_atomically(out / "table.md", text + "\n")
    write_atomically(out / "measured.json", json.dumps(found) + "\n")
    return text


def report(
    found: Sequence[Mapping[str, Any]],
    costs: Mapping[tuple[str, int], Mapping[str, Any]],
    *,
    tokens: int,
) -> str:
    """The tables in Markdown; arguments as `measured` gives them and runs leave them."""
    values = by_arm(found)
    records, words = (" / ".join(f"{one[key]:,}" for one in found) for key in ("records", "words"))
    note = NOTE.format(seeds=len(found), tokens=tokens, records=records, words=words)
    parts = [note, "## What the budget gave\n\n" + costs_table(costs, ARMS)]
    if values:
        parts.append("## Values\n\n" + table(values, list(ARMS), None))
    if WHOLE in values:
        others = [name for name in ARMS if name != WHOLE]
        parts.append(
            f"## Differences of the baselines from `{WHOLE}`, paired by seed\n\n"
            "Bold: the interval misses zero. (+): more diverse than it, (-): less.\n\n"
            + table(values, others, WHOLE)
        )
    if warnings := sorted({line for one in found for line in one["warnings"]}):
        parts.append("## Mind\n\n" + "\n".join(f"- {line}" for line in warnings))
    return "\n\n".join(parts)


def main() -> None:
    """Command line: the arms that are missing, then the table."""
    parser = argparse.ArgumentParser(description="Diversity of instructions at an equal budget")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--tokens", type=int, default=150_000, help="in and out, an arm and seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--report", action="store_true", help="write nothing, only the table")
    args = parser.parse_args()
    missing = [
        (name, seed)
        for seed in args.seeds
        for name in args.arms
        if not (args.report or is_done(name, seed, args.tokens, args.out))
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as workers:
        work = [workers.submit(carry_out, *each, args.tokens, args.out) for each in missing]
        for told in work:
            print(told.result(), flush=True)
    print(write_report(args.out, args.seeds, tokens=args.tokens))


if __name__ == "__main__":
    main()
