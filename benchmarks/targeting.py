"""Does SoftSRV reach its target? The three parameterisations beside what needs no training.

The frozen model is the embedded one, the target a part of the project's own story problems. Each
seed draws its own target and held-out questions, trains every parameterisation at its own learning
rate, and samples as many questions from each arm:

- `np`, `mp`, `mc`: the soft prompts;
- `unconditional`: the frozen model from the token that begins its documents;
- `another`: prompting the same model with an example of the target ("Write another like this."),
  which stands for the template baseline, because a model this small cannot follow a longer prompt;
- `real`: other questions of the target: what no generator can beat at this number.

MAUVE is measured with the context encoder's embeddings and, because the encoder feeds the soft
prompts, with an independent embedder. The domain's parser says what is understood and on target.

    python -m benchmarks.targeting --out runs/targeting
"""

import argparse
import asyncio
import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metasynth.agents.expert import expert_messages
from metasynth.agents.messages import Attachment
from metasynth.agents.models.local.chat import embedded_chat
from metasynth.agents.roles.book import load_roles
from metasynth.config.softsrv import (
    EncoderConfig,
    PromptConfig,
    SamplingConfig,
    SoftSRVConfig,
    TrainingConfig,
)
from metasynth.domains.language.base import split_solution
from metasynth.domains.language.vocabulary import THEME_OF, singular
from metasynth.domains.story.domain import StoryDomain
from metasynth.domains.story.model import Story
from metasynth.domains.story.reading import read_problem
from metasynth.eval.mauve.mauve import mauve, mauve_ceiling
from metasynth.lm.load import load_lm
from metasynth.lm.weights import embedded_folder
from metasynth.records.rundir import write_atomically
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.sampling.soft_sampler import SoftSampler, unconditional
from metasynth.softsrv.target import TargetRow, split_target
from metasynth.softsrv.training.training import train_soft_prompt
from metasynth.text.words import words
from metasynth.vectors.embed import load_embedder

Vectors = NDArray[np.float32]
PARAMETERISATIONS = ("np", "mp", "mc")
ARMS = ("real", "unconditional", "another", *PARAMETERISATIONS)
START = (
    "<|sys|>You are the Domain Expert.<|user|>Write a word problem."
    "<|doc|>keywords: garden, tulip, Anna<|ai|>"
)
"""What the soft tokens start as: a prompt that the embedded model knows, the same for all."""
RATES = {"np": 0.03, "mp": 0.03, "mc": 0.003}
"""Best of three on a seed that is not part of the study."""
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


@dataclass(frozen=True)
class Plan:
    """What every seed does, the same for all arms."""

    themes: tuple[str, ...] = ("garden", "harbour", "zoo", "kitchen")
    forms: tuple[str, ...] = ("word problem", "diary entry")
    targets: int = 400
    held_out: int = 400
    samples: int = 400
    clusters: tuple[int, ...] = (16, 32)
    difficulty: int | None = None  # steps of every story of the target; None: as they come
    softsrv: SoftSRVConfig = field(default_factory=SoftSRVConfig)


@dataclass(frozen=True)
class Measured:
    """One arm of one seed at one temperature; shares are of all questions, understood or not."""

    arm: str
    temperature: float
    mauve: dict[str, float]  # embedder/clusters -> MAUVE against the held-out questions
    understood: float
    on_target: float  # theme, form and difficulty are the target's
    things: float  # names a thing of the target's themes, and none of another's
    steps: dict[str, float]  # how many steps the understood ones have
    distinct: float
    stopped: float
    training: dict[str, Any]
    examples: list[str]


def questions(plan: Plan, count: int, *, seed: str) -> list[tuple[str, str]]:
    """So many different questions of the target, each with its whole document."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        story = StoryDomain().generate(
            rng,
            form=rng.choice(plan.forms),
            theme=rng.choice(plan.themes),
            steps=plan.difficulty,
        )
        found[split_solution(story.text)[0]] = story.text
    return list(found.items())


class Seed:
    """Everything of one seed: its target, its arms, its measurements."""

    def __init__(self, plan: Plan, number: int, work: Path) -> None:
        self.plan, self.number, self.work = plan, number, work
        drawn = questions(plan, plan.targets + 2 * plan.held_out, seed=f"targeting:{number}")
        self.target = drawn[: plan.targets]
        self.held_out = [text for text, _ in drawn[plan.targets :][: plan.held_out]]
        self.real = [text for text, _ in drawn[plan.targets + plan.held_out :]]
        self.rows = [TargetRow.of(text) for text, _ in self.target]
        config = plan.softsrv
        self.split = split_target(self.rows, config.training, seed=number)
        self.sampling = config.sampling.model_copy(update={"count": plan.samples})
        self.independent = load_embedder("default", cache=work / "vectors.sqlite")

    @cached_property
    def backbone(self) -> Backbone:
        """The frozen model."""
        return Backbone(load_lm(embedded_folder(), device="cpu"))

    @cached_property
    def judge(self) -> ContextEncoder:
        """The frozen model's own mean of last hidden states, as the paper's E."""
        return ContextEncoder.fit(
            EncoderConfig(model="backbone"),
            [row.text for row in self.split.train],
            backbone=self.backbone,
            cache=self.work / "contexts.sqlite",
            seed=0,
        )

    def train(self, parameterisation: str) -> SteeringArtifact:
        """The soft prompt of one parameterisation at its own learning rate."""
        config = self.plan.softsrv
        prompt = config.prompt.model_copy(update={"parameterisation": parameterisation})
        rate = {"learning_rate": RATES[parameterisation]}
        settings = config.model_copy(
            update={
                "prompt": prompt,
                "random_seed": self.number,
                "training": config.training.model_copy(update=rate),
            }
        )
        place = self.work / f"seed-{self.number}-{parameterisation}"
        return train_soft_prompt(self.backbone, self.split, settings, work=place)

    def arm(self, name: str, temperature: float) -> dict[str, Any]:
        """Train where there is something to train and nothing was, sample, and measure."""
        artifact = self.train(name) if name in PARAMETERISATIONS else None
        texts, stopped = self.draw(name, temperature, artifact)
        stories = [read_problem(text) for text in texts]
        measured = Measured(
            arm=name,
            temperature=temperature,
            mauve=self.distances(texts),
            understood=share([one is not None for one in stories]),
            on_target=share([one is not None and self.hits(one) for one in stories]),
            things=share([self.names_a_thing(text) for text in texts]),
            steps={
                str(count): share([one is not None and len(one.steps) == count for one in stories])
                for count in (1, 2, 3)
            },
            distinct=len(set(texts)) / len(texts),
            stopped=stopped,
            training=artifact.report["after"] if artifact else {},
            examples=texts[:5],
        )
        return asdict(measured)

    def hits(self, story: Story) -> bool:
        """Whether theme, form and, where the target has one, difficulty are the target's."""
        wanted = self.plan.difficulty
        right = story.theme in self.plan.themes and story.form in self.plan.forms
        return right and wanted in (None, len(story.steps))

    def draw(
        self, name: str, temperature: float, artifact: SteeringArtifact | None
    ) -> tuple[list[str], float]:
        """Questions of an arm, and the share of its samples that ended by themselves."""
        count = self.plan.samples
        if name == "real":
            return self.real[:count], 1.0
        if name == "another":
            return asyncio.run(self.another(temperature)), 1.0
        sampling = self.sampling.model_copy(update={"temperature": temperature})
        if artifact is None:
            begin = self.backbone.lm.tokenizer.convert_tokens_to_ids("<|ai|>")
            assert isinstance(begin, int)
            samples = list(
                unconditional(self.backbone, count, sampling, seed=self.number, start_ids=[begin])
            )
        else:
            with SoftSampler(self.backbone, artifact, sampling, seed=self.number) as sampler:
                samples = list(sampler.sample(count))
        texts = [split_solution(sample.text)[0] for sample in samples]
        return texts, share([sample.stopped for sample in samples])

    async def another(self, temperature: float) -> list[str]:
        """Questions of documents that the model writes when it is shown one of the target."""
        chat = embedded_chat(max_batch=32)
        scale = self.backbone.model.config.chat_temperature_scale
        role = load_roles()["editor"]
        variables = {"domain": "", "description": "", "language": "en", "persona": ""}
        variables |= {"genre": "", "max_words": "120"}
        gate = asyncio.Semaphore(64)

        async def one(index: int) -> str:
            shown = self.target[index % len(self.target)][1]
            messages = expert_messages(
                role, "Write another like this.", [Attachment("draft-1", "draft", shown)], variables
            )
            async with gate:
                reply = await chat.ainvoke(
                    messages,
                    temperature=temperature / scale,
                    seed=self.number * 100_000 + index,
                    max_tokens=160,
                )
            return split_solution(str(reply.text))[0]

        return list(await asyncio.gather(*map(one, range(self.plan.samples))))

    def names_a_thing(self, text: str) -> bool:
        """Whether a text names a thing of the target's themes and none of another's."""
        themes = {THEME_OF[word] for word in map(singular, words(text)) if word in THEME_OF}
        return bool(themes) and themes <= set(self.plan.themes)

    def embedders(self) -> dict[str, Callable[[Sequence[str]], Vectors]]:
        """The two views in which MAUVE is measured."""
        return {
            "encoder": lambda texts: self.judge.encode(list(texts)).numpy(),
            "independent": self.independent.vectors,
        }

    def distances(self, texts: Sequence[str]) -> dict[str, float]:
        """MAUVE of each view and number of clusters against the held-out questions."""
        found = {}
        texts = [text or "(empty)" for text in texts]
        for name, embed in self.embedders().items():
            made, real = embed(texts), embed(self.held_out)
            for clusters in self.plan.clusters:
                result = mauve(real, made, clusters=clusters)
                assert result.mean is not None, result.reason
                found[f"{name}/{clusters}"] = result.mean
        return found

    def ceiling(self) -> dict[str, float]:
        """What identical distributions give at this number of questions."""
        found = {}
        pool = [*self.held_out, *self.real]
        for name, embed in self.embedders().items():
            for clusters in self.plan.clusters:
                size = self.plan.samples
                result = mauve_ceiling(embed(pool), n_p=size, n_q=size, clusters=clusters)
                assert result.mean is not None, result.reason
                found[f"{name}/{clusters}"] = result.mean
        return found


def share(flags: Sequence[bool]) -> float:
    """How many of them are true, 0 to 1."""
    return sum(flags) / len(flags)


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval (Student's t over the seeds)."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    half = T_95.get(len(values), 1.96) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.3f} ± {half:.3f}"


Results = dict[tuple[str, float], list[dict[str, Any]]]
"""Of each arm at each temperature, its row of each seed."""


def table(results: Results, ceilings: list[dict[str, float]]) -> str:
    """Everything measured, arms as rows, over the seeds."""
    keys = list(ceilings[0])
    shares = ("understood", "on_target", "things", "distinct", "stopped")
    lines = ["| arm | temperature | " + " | ".join((*keys, *shares, "1, 2, 3 steps")) + " |"]
    lines.append("|---" * (len(keys) + len(shares) + 3) + "|")
    for (arm, temperature), rows in results.items():
        cells = [arm, f"{temperature:.2f}" if arm != "real" else ""]
        cells += [interval([row["mauve"][key] for row in rows]) for key in keys]
        cells += [interval([row[name] for row in rows]) for name in shares]
        counted = all(row["steps"] for row in rows)
        steps = [
            statistics.fmean(row["steps"][count] for row in rows) for count in "123" if counted
        ]
        cells.append(", ".join(f"{part:.2f}" for part in steps))
        lines.append("| " + " | ".join(cells) + " |")
    cells = ["ceiling", "", *(interval([one[key] for one in ceilings]) for key in keys)]
    lines.append("| " + " | ".join([*cells, *[""] * (len(shares) + 1)]) + " |")
    return "\n".join(lines)


def trainings(results: Results) -> str:
    """The held-out loss and the shuffled-context gap of each parameterisation."""
    lines = ["| arm | held-out loss | first 5 tokens | shuffled-context gap | gap above 0 |"]
    lines.append("|---" * 5 + "|")
    trained = {arm: rows for (arm, _), rows in results.items() if arm in PARAMETERISATIONS}
    for arm, rows in trained.items():
        after = [row["training"] for row in rows]
        gaps = [one["shuffled_gap"] for one in after]
        cells = [interval([one[key] for one in after]) for key in ("held_out_nll", "first5_nll")]
        lines.append(
            f"| {arm} | {cells[0]} | {cells[1]} | {interval(gaps)} "
            f"| {sum(gap > 0 for gap in gaps)} of {len(gaps)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line: every arm of every seed, each written as soon as it is measured."""
    parser = argparse.ArgumentParser(description="Does SoftSRV reach its target?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--encoder", default="default")
    parser.add_argument("--targets", type=int, default=600)
    parser.add_argument("--count", type=int, default=300, help="questions of each arm")
    parser.add_argument("--themes", nargs="+", default=list(Plan.themes))
    parser.add_argument("--forms", nargs="+", default=list(Plan.forms))
    parser.add_argument("--difficulty", type=int, choices=(1, 2, 3))
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1 / 3, 2 / 3, 1.0])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = Plan(
        themes=tuple(args.themes),
        forms=tuple(args.forms),
        difficulty=args.difficulty,
        targets=args.targets,
        held_out=args.count,
        samples=args.count,
        softsrv=SoftSRVConfig(
            prompt=PromptConfig(tokens=args.tokens, init="text", init_text=START),
            encoder=EncoderConfig(model=args.encoder),
            training=TrainingConfig(steps=args.steps, warmup=20),
            sampling=SamplingConfig(max_new_tokens=120),
        ),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    pairs = [
        (arm, temperature)
        for arm in args.arms
        for temperature in (args.temperatures if arm != "real" else [1.0])
    ]
    results: Results = {pair: [] for pair in pairs}
    ceilings = []
    for number in args.seeds:
        seed = Seed(plan, number, args.out)
        ceilings.append(kept(args.out / f"seed-{number}-ceiling.json", seed.ceiling))
        for arm, temperature in pairs:
            place = args.out / f"seed-{number}-{arm}-{temperature:.2f}.json"
            row = kept(place, partial(seed.arm, arm, temperature))
            results[arm, temperature].append(row)
            print(number, arm, f"{temperature:.2f}", row["mauve"], flush=True)
    print(table(results, ceilings), trainings(results), sep="\n\n")


def kept(place: Path, make: Callable[[], Any]) -> Any:
    """What lies in a file, or else what is made now and written there."""
    if not place.exists():
        write_atomically(place, json.dumps(make(), indent=1))
    return json.loads(place.read_text())


if __name__ == "__main__":
    main()
