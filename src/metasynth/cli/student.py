"""`student score`: the student alone, on any JSONL."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The model that learns: what it finds hard.", no_args_is_help=True)


class Precision(StrEnum):
    """What weights are computed in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


@app.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSONL or JSONL.gz with `messages`, `prompt` (and `completion`), or `text`",
        ),
    ],
    criterion: Annotated[
        str,
        typer.Option(
            "--criterion",
            metavar="NAME",
            help="random, loss_self, loss_gold, entropy, margin, least_confidence, min_margin, "
            "max_entropy, perplexity, ifd, el2n, reward, judge, lion, wrong or learnable",
        ),
    ] = "loss_self",
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="the student: embedded, or local:PATH_OR_HUB_ID")
    ] = "embedded",
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
        typer.Option(metavar="NAME", help="for wrong: number, exact, or a checkable domain"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
    tokens_per_batch: Annotated[int, typer.Option(min=64, help="of one forward pass")] = 8192,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    dtype: Annotated[Precision, typer.Option(help="of the weights")] = Precision.auto,
    revision: Annotated[
        str | None, typer.Option(help="branch, tag or commit of a model on a hub")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="run Python code that comes with the model")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no live progress")] = False,
) -> int:
    """Score the rows of FILE, in its order; a high score is hard.

    Each row becomes a line with its `line`, `id`, `score`, `detail` and the student's own `answer`;
    what cannot be scored has the score null and a `reason`, and is counted in the summary. With
    --out, a scoring that was interrupted goes on where it stopped.
    """
    from .student_score import ScoreRequest, carry_out_scoring

    request = ScoreRequest.checked(
        file=file,
        out=out,
        scoring={
            "criterion": criterion,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "tokens_per_batch": tokens_per_batch,
        },
        student={
            "model": model,
            "revision": revision,
            "device": device,
            "dtype": str(dtype),
            "trust_remote_code": trust_remote_code,
        },
        judge={"model": judge, "base_url": base_url} if judge else None,
        reward=reward,
        checker=checker,
        seed=seed,
    )
    carry_out_scoring(request, quiet=quiet)
    return 0
