"""The 2 x 2 study: {a teacher shown the seed, SoftSRV} x {random seeds, those of high loss}.

Students, rows, steps, test and starts are those of `active_study` on its pool `learnable`. What
differs is who writes the question after a seed: the skills' generator, which makes another of that
skill and level, or SoftSRV: a frozen language model of the questions, made on the spot, steered by
a soft prompt that was trained on the pool, from the seed's own context vector. Both kinds of seeds
are chosen by `student.next_contexts` (`random`; `select` with temperature 0, the highest loss on
the student's own answer) from the same contexts. Answers are the skills' own in all four arms; the
checker refuses what is no question, what is in the test, and what was written before, and a refused
sample is drawn again from the same context. Equal rows, therefore, and not equal samples: the share
that was refused is told. SoftSRV's settings were tried out on start 101, which is not part of the
study.

    python -m benchmarks.steering_study --out runs/steering-study [--starts 1 2 3 4 5]
"""

import argparse
import multiprocessing
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.active_arms import ARMS, Choice, scored
from benchmarks.active_pools import ASKED, StudyItem, Teacher, item_of
from benchmarks.active_report import accuracies, drawing
from benchmarks.active_results import append_run, area, curves, paired, read_runs
from benchmarks.active_rounds import Plan, Run, Study, base_student
from benchmarks.active_student import load_weights, new_student, save_weights, train
from metasynth.config.softsrv import (
    EncoderConfig,
    PromptConfig,
    SamplingConfig,
    SoftSRVConfig,
    TrainingConfig,
)
from metasynth.domains.skills import SKILLS, answer_of
from metasynth.errors import MetaSynthError
from metasynth.lm.load import LoadedLM
from metasynth.randomness import generator
from metasynth.records.rundir import write_atomically
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.sampling.soft_sampler import SoftSampler
from metasynth.softsrv.target import TargetRow, split_target
from metasynth.softsrv.training.training import train_soft_prompt
from metasynth.student.contexts.adaptive_contexts import ContextOptions, next_contexts
from metasynth.student.contexts.preconditions import prediction_gate
from metasynth.student.rows import make_row

RESULTS = "results.jsonl"
STEERED = ("template_random", "template_loss", "softsrv_random", "softsrv_loss")
BACKBONE_SEED, BACKBONE_ROWS, BACKBONE_STEPS = 77, 6000, 1500
BEGIN = "\n" * 4  # stands before every text of the frozen model, where soft tokens will stand
DRAWS = 12  # from one context, before what it gives is taken from others
SETTINGS = SoftSRVConfig(
    prompt=PromptConfig(tokens=4, hidden=64, init="text", init_text=BEGIN),
    encoder=EncoderConfig(pooling="input"),  # the last hidden states forget the skill's word
    training=TrainingConfig(learning_rate=4e-3, steps=1200, warmup=40, evaluate_every=200),
    sampling=SamplingConfig(max_new_tokens=12),
)


def backbone_lm(folder: Path) -> LoadedLM:
    """The frozen model: it has learnt to write questions of all skills, and of no one start."""
    lm = new_student(seed=BACKBONE_SEED)
    place = folder / "backbone.safetensors"
    if place.exists():
        load_weights(lm, place)
        return lm
    begin, rng, teacher = time.process_time(), generator(BACKBONE_SEED, "questions"), Teacher()
    skills = list(SKILLS)
    items = [
        teacher.write(rng, skill=skills[n % len(skills)], level=rng.choice(ASKED))
        for n in range(BACKBONE_ROWS)
    ]
    rows = [make_row({"text": f"{BEGIN}{item.question}"}) for item in items]
    train(lm, rows, steps=BACKBONE_STEPS, rate=1.5e-3, seed=BACKBONE_SEED)
    save_weights(lm, place, cpu_seconds=time.process_time() - begin)
    return lm


class SteeredStudy(Study):
    """A run of one of the four arms."""

    def __init__(self, plan: Plan, run: Run, folder: Path) -> None:
        student, _ = base_student(plan, run.start, folder / "bases")
        self.writer, _, kind = run.arm.partition("_")
        super().__init__(plan, run, student, ARMS["loss_self" if kind == "loss" else "random"])
        self.folder = folder
        self.drawn = self.refused = 0
        self.same_skill: list[bool] = []
        self.gates: list[str] = []

    @cached_property
    def backbone(self) -> Backbone:
        """The frozen model of SoftSRV."""
        return Backbone(backbone_lm(self.folder))

    @cached_property
    def artifact(self) -> SteeringArtifact:
        """The soft prompt of the start's pool, trained once."""
        rows = [TargetRow.of(item.question) for item in self.seeds.values()]
        split = split_target(rows, SETTINGS.training, seed=self.run.start)
        settings = SETTINGS.model_copy(update={"random_seed": self.run.start})
        work = self.folder / f"soft-prompt-{self.run.start}"
        return train_soft_prompt(self.backbone, split, settings, work=work)

    @cached_property
    def contexts(self) -> list[StudyItem]:
        """The seeds that have a context, in its order."""
        by_question = {item.question: item for item in self.seeds.values()}
        return [by_question[row.text] for row in self.artifact.rows]

    def grow(self, number: int) -> tuple[Choice, list[StudyItem]]:
        """Choose contexts and have a child of each written."""
        begin, choice = time.process_time(), Choice()
        z = self.artifact.contexts.numpy()
        scores = np.zeros(len(z))
        if self.arm.criterion is not None:
            rows = [item.row for item in self.contexts]
            seed = self.seed(number, "scores")
            found = scored(self.arm.criterion, self.student, rows, choice, seed=seed)
            scores = np.array([found[row.id] for row in rows])
            self.gates.append(str(prediction_gate(z.astype(np.float64), scores, seed=seed)))
        chosen = next_contexts(
            "select" if self.arm.criterion is not None else "random",
            scores,
            z,
            np.zeros(len(z), dtype=np.int64),
            self.plan.rows,
            generator(self.seed(number, "contexts")),
            options=ContextOptions(temperature=0.0),
        )
        numbers = [one.parents[0] for one in chosen]
        choice.ids = [self.contexts[one].row.id for one in numbers]
        choice.seconds = time.process_time() - begin
        rng = generator(self.seed(number, "teacher"))
        children = self.steered(numbers, number) if self.writer == "softsrv" else []
        children += (self.teacher.child(rng, self.contexts[n]) for n in numbers[len(children) :])
        self.rows += children
        parents = [self.contexts[one] for one in numbers]
        self.same_skill += (
            child.skill == parent.skill for child, parent in zip(children, parents, strict=True)
        )
        return choice, parents

    def steered(self, numbers: Sequence[int], round_number: int) -> list[StudyItem]:
        """A child of each context by SoftSRV; what one cannot give comes from the next that can."""
        children: dict[int, StudyItem] = {}
        seed = self.seed(round_number, "samples")
        sampling = SETTINGS.sampling
        with SoftSampler(self.backbone, self.artifact, sampling, seed=seed) as sampler:
            for turn in range(DRAWS):
                left = [place for place in range(len(numbers)) if place not in children]
                if not left:
                    break
                contexts = [numbers[place] for place in left]
                start = -(-turn * len(numbers) // len(left)) * len(left)  # from its first context
                samples = sampler.sample(len(left), start=start, contexts=contexts)
                for place, sample in zip(left, samples, strict=True):
                    child = self.admitted(sample.text, repeats=turn == DRAWS - 1)
                    if child is not None:
                        children[place] = child
        rng = random.Random(seed)
        given = list(children.values())
        if not given:
            raise MetaSynthError("SoftSRV wrote no question: train the frozen model for longer")
        return [children.get(place) or rng.choice(given) for place in range(len(numbers))]

    def admitted(self, question: str, *, repeats: bool) -> StudyItem | None:
        """The item of a question, unless the checker refuses it."""
        self.drawn += 1
        answer = answer_of(question)
        is_new = repeats or question not in self.teacher.written
        if answer is None or question in self.teacher.forbidden or not is_new:
            self.refused += 1
            return None
        self.teacher.written.add(question)
        return item_of(question, answer, skill=question.split(" ")[0], level=ASKED[0])


def carry_out(plan: Plan, run: Run, folder: Path) -> dict[str, Any]:
    """What a run found: a line of the results."""
    begin = time.process_time()
    study = SteeredStudy(plan, run, folder)
    return {
        **study.told(),
        "drawn": study.drawn,
        "refused": study.refused / study.drawn if study.drawn else None,
        "same_skill": fmean(study.same_skill),
        "gates": study.gates,
        "shuffled_gap": study.artifact.report["after"]["shuffled_gap"],
        "base_cpu_seconds": 0.0,
        "cpu_seconds": round(time.process_time() - begin, 2),
    }


def tables(runs: Sequence[dict[str, Any]]) -> str:
    """Accuracy by round, the four differences, and how SoftSRV wrote."""
    found = {arm: curves(runs, "learnable", arm) for arm in STEERED}
    lines = [accuracies(runs, [arm for arm in STEERED if found[arm]], "learnable"), ""]
    lines += ["| difference | final accuracy | area | starts above |", "|---|---|---|---|"]
    for one, other in (
        ("template_loss", "template_random"),
        ("softsrv_loss", "softsrv_random"),
        ("softsrv_random", "template_random"),
        ("softsrv_loss", "template_loss"),
    ):
        starts = found[one].keys() & found[other].keys()
        if not starts:
            continue
        cells = []
        for measure in (lambda curve: curve[-1], area):
            ours, theirs = (
                {start: measure(curve) for start, curve in found[arm].items()}
                for arm in (one, other)
            )
            told = paired(ours, theirs)
            cells.append(f"{told.value:+.3f} [{told.low:+.3f}, {told.high:+.3f}]")
        above = sum(found[one][n][-1] > found[other][n][-1] for n in starts)
        lines.append(f"| {one} − {other} | {cells[0]} | {cells[1]} | {above} of {len(starts)} |")
    lines += ["", "| arm | samples refused | child has its parent's skill |", "|---|---|---|"]
    for arm in STEERED:
        own = [run for run in runs if run["arm"] == arm]
        if not own:
            continue
        refused = [run["refused"] for run in own if run["refused"] is not None]
        share = f"{fmean(refused):.2f}" if refused else ""
        lines.append(f"| {arm} | {share} | {fmean(run['same_skill'] for run in own):.2f} |")
    gaps = {run["start"]: run["shuffled_gap"] for run in runs}
    lines += [
        "",
        "Shuffled-context gap by start: " + str({n: round(g, 3) for n, g in gaps.items()}),
    ]
    lines += [f"- {run['start']} {run['arm']}: {gate}" for run in runs for gate in run["gates"]]
    return "\n".join(lines)


def work(plan: Plan, run: Run, out: Path) -> str:
    """Carry out a run on one thread and keep it; a line about it."""
    torch.set_num_threads(1)
    found = carry_out(plan, run, out)
    append_run(out / RESULTS, found)
    told = " ".join(f"{one['accuracy']:.3f}" for one in found["rounds"])
    return (
        f"{run.arm} {run.start}: {told} refused {found['refused']} ({found['cpu_seconds']:.0f} s)"
    )


def main() -> None:
    """Command line: the runs that are missing, then the tables."""
    parser = argparse.ArgumentParser(description="SoftSRV or a teacher, high loss or random")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=STEERED, default=list(STEERED))
    parser.add_argument("--starts", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    args = parser.parse_args()
    plan = Plan()
    args.out.mkdir(parents=True, exist_ok=True)
    backbone_lm(args.out)
    done = {(run["arm"], run["start"]) for run in read_runs(args.out / RESULTS, plan.fingerprint)}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as workers:
        # one process has all arms of a start, so that its soft prompt is trained once
        for told in [workers.submit(a_start, plan, start, args, done) for start in args.starts]:
            told.result()
    runs = read_runs(args.out / RESULTS, plan.fingerprint)
    report = tables(runs)
    write_atomically(args.out / "table.md", report + "\n")
    write_atomically(args.out / "curves.svg", drawing(runs, STEERED, ["learnable"]))
    print(report)


def a_start(plan: Plan, start: int, args: argparse.Namespace, done: set[tuple[str, int]]) -> None:
    """The runs of one start that are missing."""
    for arm in args.arms:
        if (arm, start) not in done:
            print(work(plan, Run("learnable", arm, start), args.out), flush=True)


if __name__ == "__main__":
    main()
