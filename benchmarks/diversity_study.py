"""Is what MetaSynth writes more diverse than what a template writes, and which part does it?

Teacher of all arms is the embedded model, seeds and verifier are the demo's. Each arm writes a
corpus of so many accepted records for every seed of randomness; the corpora of one such seed are
cut to equally many words, all metrics of `eval diversity` are measured, and arms are compared pair
by pair (`diversity_arms`: what each arm is; `diversity_report`: the tables). Nothing was tuned for
any arm. The embedded model is a toy that knows a small world: what the table says is about it, and
about how the parts work together, not about large models.

    python -m benchmarks.diversity_study --out runs/diversity-study [--jobs 2] [--arms …]

Each arm is a run directory below OUT and is not written again once it is finished; one that was
killed goes on. The tables are made of what is there.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.diversity_arms import ARMS, WORLD, corpus_path, run_config, write_real
from benchmarks.diversity_report import report
from metasynth.config.run import RunConfig
from metasynth.errors import MetaSynthError
from metasynth.eval.comparison import MetricInputs
from metasynth.eval.text_corpus import read_corpus
from metasynth.records.rundir import write_atomically

DONE = "study.json"


def carry_out(name: str, seed: int, records: int, out: Path) -> str:
    """Write the corpus of an arm on one thread, or go on with it; a line about it."""
    config = run_config(name, seed, records=records, out=out)
    return write_corpus(config, out / f"{name}-{seed}", asked=records)


def write_corpus(config: RunConfig, folder: Path, *, asked: int) -> str:
    """Carry a run out on one thread, or go on with it, and note what it took; a line about it.

    Args:
        asked: What the run is done with, records or tokens; kept beside it.
    """
    import torch

    torch.set_num_threads(1)
    before = read_json(folder / DONE)
    begin = time.process_time()
    try:
        found = asyncio.run(_write(config, folder))
    except MetaSynthError as error:
        return f"{folder.name}: failed: {error.message}"
    found["cpu_seconds"] = time.process_time() - begin + before.get("cpu_seconds", 0.0)
    found["asked"] = asked
    write_atomically(folder / DONE, json.dumps(found) + "\n")
    return (
        f"{folder.name}: {found['records']} records, {found['rejected']} rejected, "
        f"{found['calls']} calls, {found['cpu_seconds']:.0f} CPU s ({found['ended']})"
    )


async def _write(config: RunConfig, folder: Path) -> dict[str, Any]:
    from metasynth.compose.plan import plan_run
    from metasynth.compose.run import open_run
    from metasynth.graphs.corpus import corpus_graph
    from metasynth.graphs.workspace import constant

    plan = plan_run(config)
    async with open_run(plan, folder) as workspace:
        graph = corpus_graph(constant(workspace)).compile()
        graph = graph.with_config(recursion_limit=1_000_000_000)
        result = await graph.ainvoke({"chains": plan.config.concurrency})
        totals = workspace.ledger.totals()
        return {
            "records": workspace.corpus.accepted,
            "rejected": workspace.corpus.rejected,
            "reasons": workspace.corpus.reasons(),
            "calls": totals.calls,
            "tokens": totals.tokens,
            "ended": result["stopped_because"],
        }


def is_done(name: str, seed: int, records: int, out: Path) -> bool:
    """Whether an arm has come to its end with so many records asked for."""
    return int(read_json(out / f"{name}-{seed}" / DONE).get("asked", 0)) >= records


def measured(out: Path, seed: int, arms: Sequence[str], *, records: int, probe: bool) -> Any:
    """Every metric of the arms of one seed of randomness, all cut to one size."""
    from metasynth.eval.comparison import compare
    from metasynth.vectors.embed import load_embedder

    named = [(name, corpus_path(out, name, seed)) for name in (*arms, WORLD)]
    corpora = [read_corpus(path, name=name) for name, path in named]
    embedder = load_embedder("default", cache=out / "vectors.sqlite")
    try:
        means = MetricInputs(embed=embedder.vectors, probe=_probe(seed) if probe else None)
        found = compare([(one, "candidate") for one in corpora], means, records=records, draws=1)
    finally:
        embedder.close()
    cells = {
        one.name: {metric: one.metrics[metric].mean for metric in one.metrics}
        for one in found.corpora
    }
    return {"seed": seed, "words": found.words, "warnings": found.warnings, "arms": cells}


def write_report(out: Path, seeds: Sequence[int], *, records: int, probe: bool) -> str:
    """The tables of all that is finished."""
    costs = {
        (name, seed): read_json(out / f"{name}-{seed}" / DONE) for name in ARMS for seed in seeds
    }
    whole = {key: one for key, one in costs.items() if one.get("records", 0) >= records}
    found = []
    for seed in seeds:
        arms = [name for name in ARMS if (name, seed) in whole]
        if arms:
            found.append(measured(out, seed, arms, records=records, probe=probe))
    short = {key: one for key, one in costs.items() if one and key not in whole}
    tables = report(found, costs, short, records=records)
    write_atomically(out / "table.md", tables + "\n")
    write_atomically(out / "measured.json", json.dumps(found) + "\n")
    return tables


def _probe(seed: int) -> Any:
    from metasynth.config.student import StudentConfig
    from metasynth.eval.probe import Probe
    from metasynth.lm.weights import load_weights

    return Probe(load_weights(StudentConfig(model="embedded")), seed=seed)


def read_json(path: Path) -> dict[str, Any]:
    """What a file of the study says; nothing where there is none."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Command line: the arms that are missing, then the tables."""
    parser = argparse.ArgumentParser(description="Diversity of MetaSynth and of templates")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--records", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--task2vec", action="store_true", help="with the embedded model as probe")
    parser.add_argument("--report", action="store_true", help="write nothing, only the tables")
    args = parser.parse_args()
    write_real(args.out, args.seeds, records=args.records)
    missing = [
        (name, seed)
        for seed in args.seeds
        for name in args.arms
        if not (args.report or is_done(name, seed, args.records, args.out))
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as workers:
        work = [workers.submit(carry_out, *each, args.records, args.out) for each in missing]
        for told in work:
            print(told.result(), flush=True)
    print(write_report(args.out, args.seeds, records=args.records, probe=args.task2vec))


if __name__ == "__main__":
    main()
