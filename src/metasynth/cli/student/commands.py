"""`student score|train`: the student alone, on any JSONL."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metasynth.cli.screen.options import PluginsOption, checked_section, with_plugins
from metasynth.config.weights import Precision
from metasynth.student.scoring.criterion import CRITERIA

app = typer.Typer(
    help="The model that learns: what it finds hard, and its training.", no_args_is_help=True
)


FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="JSONL or JSONL.gz with `messages`, `prompt` (and `completion`), or `text`",
    ),
]
ModelOption = Annotated[
    str, typer.Option(metavar="MODEL", help="the student: embedded, or local:PATH_OR_HUB_ID")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
PrecisionOption = Annotated[Precision, typer.Option(help="of the weights")]
RevisionOption = Annotated[
    str | None, typer.Option(help="branch, tag or commit of a model on a hub")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="run Python code that comes with the model")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no live progress")]


@app.command()
def score(
    file: FileArgument,
    criterion: Annotated[
        str,
        typer.Option(
            "--criterion",
            metavar="NAME",
            help=f"{', '.join(CRITERIA.builtin())}, or one of --plugins",
        ),
    ] = "loss_self",
    model: ModelOption = "embedded",
    trained: Annotated[
        Path | None,
        typer.Option("--trained", metavar="DIR", help="what `train` made of the student"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="scores as JSONL [stdout]")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="of the student's own answer")] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="of its own answer; 0: greedy")] = 0.0,
    judge: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="for judge and lion: openai:NAME, local:… or embedded"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="the judge's endpoint, if not OpenAI's")
    ] = None,
    reward: Annotated[
        str | None, typer.Option(metavar="PATH_OR_HUB_ID", help="for reward: a reward model")
    ] = None,
    checker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="for wrong: number, exact, a checkable domain, or FILE.py:FUNCTION"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
    tokens_per_batch: Annotated[int, typer.Option(min=64, help="of one forward pass")] = 8192,
    device: DeviceOption = "auto",
    dtype: PrecisionOption = "auto",
    revision: RevisionOption = None,
    trust_remote_code: TrustOption = False,
    plugins: PluginsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Score the rows of FILE, in its order; a high score is hard.

    Each row becomes a line with its `line`, `id`, `score`, `detail` and the student's own `answer`;
    what cannot be scored has the score null and a `reason`, and is counted in the summary. With
    --out, a scoring that was interrupted goes on where it stopped.
    """
    with_plugins(plugins)
    CRITERIA.check(criterion, "--criterion")
    if judge:
        from metasynth.agents.models.provider import PROVIDERS

        PROVIDERS.check_value(judge, "--judge")
    from metasynth.config.model import ModelConfig
    from metasynth.config.student import ScoringConfig, StudentConfig

    from .score import FileScoring

    scoring = {
        "criterion": criterion,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "tokens_per_batch": tokens_per_batch,
    }
    student = {
        "model": model,
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
    }
    asked = {"model": judge, "base_url": base_url}
    FileScoring(
        file,
        out,
        scoring=checked_section(ScoringConfig, scoring),
        student=checked_section(StudentConfig, student),
        judge=checked_section(ModelConfig, asked) if judge else None,
        reward=reward,
        checker=checker,
        seed=seed,
        trained=trained,
    ).run(quiet=quiet)
    return 0


@app.command()
def train(
    file: FileArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="adapter or weights, report, curve")
    ],
    model: ModelOption = "embedded",
    earlier: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="go on from what an earlier training wrote"),
    ] = None,
    adapt: Annotated[
        Literal["lora", "full"], typer.Option(help="an adapter, or all weights")
    ] = "lora",
    loss_on: Annotated[
        Literal["answer", "all"], typer.Option(help="which tokens count")
    ] = "answer",
    learning_rate: Annotated[
        float | None, typer.Option(help="[2e-4 with LoRA, 2e-5 without]")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="[3]")] = None,
    steps: Annotated[int | None, typer.Option(help="optimiser steps, instead of epochs")] = None,
    batch_size: Annotated[int | None, typer.Option(help="rows of a step [16]")] = None,
    micro_batch: Annotated[int | None, typer.Option(help="of a forward pass [16]")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="longer rows are left out, and named [1024]")
    ] = None,
    lora_rank: Annotated[int | None, typer.Option(help="[16]")] = None,
    lora_alpha: Annotated[int | None, typer.Option(help="[32]")] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="less memory, more time")
    ] = False,
    save_seconds: Annotated[
        float | None, typer.Option(help="between checkpoints; 0: after every step [60]")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the order of rows and of the adapter")] = 0,
    device: DeviceOption = "auto",
    dtype: PrecisionOption = "auto",
    revision: RevisionOption = None,
    trust_remote_code: TrustOption = False,
    json_: Annotated[bool, typer.Option("--json", help="the report for machines")] = False,
    quiet: QuietOption = False,
) -> int:
    """Fine-tune the student on the rows of FILE, or go on with the training in DIR.

    What cannot be trained on is counted and named with its line. A training that was interrupted or
    killed goes on by the same command, and ends with the same weights.
    """
    from metasynth.config.student import StudentConfig

    from .train import run_student_training

    student = {
        "model": model,
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
        "adapt": adapt,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "loss_on": loss_on,
        "start": "continue" if earlier else "base",
        "learning_rate": learning_rate,
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size,
        "micro_batch": micro_batch,
        "gradient_checkpointing": gradient_checkpointing,
        "max_tokens": max_tokens,
        "save_seconds": save_seconds,
    }
    given = {name: value for name, value in student.items() if value is not None}
    run_student_training(
        file,
        out,
        checked_section(StudentConfig, given),
        earlier=earlier,
        seed=seed,
        as_json=json_,
        quiet=quiet,
    )
    return 0
