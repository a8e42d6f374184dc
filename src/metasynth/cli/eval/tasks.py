"""`eval tasks`: what a model can do, on benchmarks and rows of one's own."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metasynth.cli.student.commands import Precision


class Scoring(StrEnum):
    """How answers are scored."""

    auto = "auto"
    likelihood = "likelihood"
    parsed = "parsed"


class Normalise(StrEnum):
    """How likelihoods of choices of different length are compared."""

    per_token = "per_token"  # noqa: S105 - no secret
    raw = "raw"


def register(app: typer.Typer) -> None:
    """Add the command to a group."""
    app.command("tasks")(tasks)


def tasks(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK]...", help="gsm8k, mbpp, boolq, …; see --list"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="embedded, local:PATH_OR_HUB_ID or openai:NAME"),
    ] = "embedded",
    trained: Annotated[
        Path | None, typer.Option(metavar="DIR", help="what `student train` made of MODEL")
    ] = None,
    list_tasks: Annotated[
        bool, typer.Option("--list", help="the tasks, and what counts as right")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="local data sets, as DIR/gsm8k/test.jsonl.gz [the hub]"),
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the rows of one task: JSONL, JSON, Parquet")
    ] = None,
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where its examples are drawn from")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="examples before a question [as the task does]")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="so many rows, drawn by the seed [all]")
    ] = None,
    seed: Annotated[int, typer.Option(help="of examples, drawn rows, answers")] = 0,
    scoring: Annotated[
        Scoring, typer.Option(help="by likelihood of the choices, or by parsing answers")
    ] = Scoring.auto,
    normalise: Annotated[
        Normalise, typer.Option(help="likelihoods by token, or raw sums; both are told")
    ] = Normalise.per_token,
    bos: Annotated[
        bool | None, typer.Option("--bos/--no-bos", help="prompts begin with BOS [the tokenizer's]")
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="ask a local model through its chat template")
    ] = False,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="of an answer [as the task does]")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="of answers; 0: greedy")] = 0.0,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="let what the model writes run, confined (mbpp)")
    ] = False,
    harness: Annotated[
        list[str] | None,
        typer.Option("--harness", metavar="NAME", help="a task of lm-evaluation-harness"),
    ] = None,
    harness_tasks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="tasks of your own for it, as YAML")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(metavar="FILE", help="every row's outcome, as JSONL")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="the endpoint, if not OpenAI's")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="calls to it at a time")] = 8,
    tokens_per_batch: Annotated[int, typer.Option(min=64, help="of one forward pass")] = 8192,
    max_batch: Annotated[int, typer.Option(min=1, help="answers generated together")] = 16,
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
    """Ask a model the questions of TASKs and score its answers, with intervals.

    Rows come from --data, from --rows (for one task) or by name from the hub. What cannot be scored
    is counted with its reason and is in no number; an answer that holds nothing to judge is wrong.
    """
    if list_tasks:
        from .tasks_table import print_tasks

        print_tasks()
        return 0
    from .tasks_run import TasksRequest, carry_out_tasks

    request = TasksRequest.checked(
        names=tuple(names or ()),
        harness=tuple(harness or ()),
        harness_tasks=harness_tasks,
        model=model,
        trained=trained,
        data=data,
        rows=rows,
        examples=examples,
        shots=shots,
        seed=seed,
        items=items,
        base_url=base_url,
        settings={
            "scoring": str(scoring),
            "normalise": str(normalise),
            "bos": bos,
            "chat": chat,
            "limit": limit,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "allow_code": run_code,
            "tokens_per_batch": tokens_per_batch,
            "max_batch": max_batch,
            "concurrency": concurrency,
        },
        weights={
            "revision": revision,
            "device": device,
            "dtype": str(dtype),
            "trust_remote_code": trust_remote_code,
        },
    )
    carry_out_tasks(request, as_json=as_json, quiet=quiet)
    return 0
