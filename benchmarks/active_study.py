"""Does a student learn more from what it finds hard? The arms of active selection at equal rows.

A student of half a million parameters, made on the spot, has learnt the easy levels of twelve short
skills (`metasynth.domains.skills`). Round after round an arm scores the seeds with the student as
it is, takes 300, the teacher writes one child of each (another item of that skill and level), and
the student goes on training on all rows so far, its first ones among them. Every arm has the same
rows, optimiser steps and rates; arms of one start share base, seeds and test. `static` chooses its
seeds before the first round, so after each round it has had the steps of the others, but all rows.
`permuted` is a control: the scores of `loss_self` dealt out to the seeds at random.

Pools: `learnable`; `unlearnable`, where a quarter of the seeds (and so of what the teacher makes of
them) has an answer drawn at random; `checked`, which is the same behind a checker.

What was tuned, on start 101, which is not part of the study: the skills, their levels, the
student's width, its base, rate, rows and steps, so that accuracy runs from about 0.5 upwards and no
skill is out of reach; and training without the base's rows, under which an arm forgets what it does
not choose, was given up. The losses' arms were in view when this was decided. No arm has settings
that were tuned: they are the library's defaults.

    python -m benchmarks.active_study --out runs/active-study [--arms …] [--pools …] [--starts …]

Each run is appended to `results.jsonl` when it is done and is not done again; several of these
commands may work on one folder at a time, on different arms or starts. `table.md` and `curves.svg`
are written anew from all results.
"""

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks.active_arms import ARMS, CORE
from benchmarks.active_pools import POOLS
from benchmarks.active_report import drawing, report
from benchmarks.active_results import append_run, read_runs
from benchmarks.active_rounds import Plan, Run, base_student, carry_out
from metasynth.records.rundir import write_atomically

RESULTS = "results.jsonl"


def missing(out: Path, plan: Plan, wanted: Sequence[Run]) -> list[Run]:
    """The runs that are not among the results yet, start by start."""
    done = {
        (run["pool"], run["arm"], run["start"])
        for run in read_runs(out / RESULTS, plan.fingerprint)
    }
    return sorted((run for run in wanted if tuple(run) not in done), key=lambda run: run.start)


def work(plan: Plan, run: Run, out: Path) -> str:
    """Carry out a run on one thread and keep it; a line about it."""
    torch.set_num_threads(1)
    found = carry_out(plan, run, out / "bases")
    append_run(out / RESULTS, found)
    accuracies = " ".join(f"{one['accuracy']:.3f}" for one in found["rounds"])
    return f"{run.pool} {run.arm} {run.start}: {accuracies} ({found['cpu_seconds']:.0f} CPU s)"


def prepare(plan: Plan, start: int, out: Path) -> str:
    """Train the base of a start, where that is still to be done."""
    torch.set_num_threads(1)
    _, seconds = base_student(plan, start, out / "bases")
    return f"base {start}: {seconds:.0f} CPU s"


def write_report(out: Path, plan: Plan) -> str:
    """The tables of all results so far, written beside the curves."""
    runs = read_runs(out / RESULTS, plan.fingerprint)
    tables = report(runs, list(ARMS), POOLS)
    write_atomically(out / "table.md", tables + "\n")
    write_atomically(out / "curves.svg", drawing(runs, list(ARMS), POOLS))
    return tables


def main() -> None:
    """Command line: the runs that are missing, then the report."""
    parser = argparse.ArgumentParser(description="Active selection at equal rows")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(CORE))
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=["learnable", "unlearnable"])
    parser.add_argument("--starts", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument(
        "--rounds", type=int, default=Plan.rounds, help="of 300 rows; another study"
    )
    args = parser.parse_args()
    plan, begin = Plan(rounds=args.rounds), time.perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [Run(pool, arm, n) for n in args.starts for pool in args.pools for arm in args.arms]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as workers:
        for told in [workers.submit(prepare, plan, start, args.out) for start in args.starts]:
            print(told.result(), flush=True)
        runs = missing(args.out, plan, wanted)
        for told in [workers.submit(work, plan, run, args.out) for run in runs]:
            print(told.result(), flush=True)
    print(write_report(args.out, plan))
    print(f"\n{(time.perf_counter() - begin) / 60:.1f} minutes on {args.jobs} process(es)")


if __name__ == "__main__":
    main()
