"""`eval tasks`: what a model can do, on benchmarks and rows of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.config.weights import Precision, is_weights
from metasynth.errors import MetaSynthError, RequestError, RunInterruptedError
from metasynth.eval.tasks.settings import Normalise, Scoring, TaskSettings

from .options import JsonOption, QuietOption

if TYPE_CHECKING:
    from metasynth.cli.screen.bars import Bar
    from metasynth.config.model import ModelConfig
    from metasynth.config.weights import WeightsConfig
    from metasynth.eval.tasks.result import TaskResult
    from metasynth.eval.tasks.running.models import AskModel
    from metasynth.eval.tasks.spec import TaskRow, TaskSpec
    from metasynth.lm.load import LoadedLM


def tasks(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK]...", help="gsm8k, mbpp, boolq, …; see --list"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="as a run file names it: PROVIDER or PROVIDER:NAME"),
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
    ] = "auto",
    normalise: Annotated[
        Normalise, typer.Option(help="likelihoods by token, or raw sums; both are told")
    ] = "per_token",
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
    harness_folder: Annotated[
        Path | None,
        typer.Option("--harness-tasks", metavar="DIR", help="tasks of your own for it, as YAML"),
    ] = None,
    items: Annotated[
        Path | None, typer.Option(metavar="FILE", help="every row's outcome, as JSONL")
    ] = None,
    json: JsonOption = False,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="the endpoint, if not OpenAI's")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="calls to it at a time")] = 8,
    tokens_per_batch: Annotated[int, typer.Option(min=64, help="of one forward pass")] = 8192,
    max_batch: Annotated[int, typer.Option(min=1, help="answers generated together")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    dtype: Annotated[Precision, typer.Option(help="of the weights")] = "auto",
    revision: Annotated[
        str | None, typer.Option(help="branch, tag or commit of a model on a hub")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="run Python code that comes with the model")
    ] = False,
    quiet: QuietOption = False,
) -> int:
    """Ask a model the questions of TASKs and score its answers, with intervals.

    Rows come from --data, from --rows (for one task) or by name from the hub. What cannot be scored
    is counted with its reason and is in no number; an answer that holds nothing to judge is wrong.
    """
    from .tasks_table import print_results, print_tasks

    if list_tasks:
        print_tasks()
        return 0
    settings = TaskSettings(
        scoring=scoring,
        normalise=normalise,
        bos=bos,
        chat=chat,
        limit=limit,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        allow_code=run_code,
        tokens_per_batch=tokens_per_batch,
        max_batch=max_batch,
        concurrency=concurrency,
    )
    # all that can be told without loading anything
    specs = _checked_specs(names or (), harness or (), allow_code=run_code)
    _check_files(specs, rows, examples, data)
    _check_folders(data, harness_folder, trained)
    if is_weights(model):
        config: ModelConfig | WeightsConfig = _weights(
            model, revision, device, dtype, trust_remote_code
        )
    else:
        config = _endpoint(model, base_url)
        _check_endpoint(trained, harness)

    from metasynth.cli.screen.bars import Bar
    from metasynth.eval.tasks.harness import harness_tasks
    from metasynth.eval.tasks.running.evaluation import evaluate_task
    from metasynth.lm.load import LoadedLM

    read = [(spec, *_read_rows(spec, rows, examples, data, shots)) for spec in specs]
    results: list[TaskResult] = []
    with Bar("row", quiet=quiet) as bar:
        bar.update(0, 1, f"loading {model}")
        network = _load(config, trained, settings)
        for spec, own, others in read:
            results.append(
                evaluate_task(
                    network,
                    spec,
                    own,
                    examples=others,
                    shots=shots,
                    seed=seed,
                    settings=settings,
                    name=f"{model} + {trained}" if trained else model,
                    on_progress=_Progress(bar, spec.name),
                )
            )
        if harness:
            assert isinstance(network, LoadedLM)
            results += harness_tasks(
                network,
                harness,
                shots=shots,
                limit=limit,
                seed=seed,
                bos=bos,
                chat=chat,
                batch=max_batch,
                folder=harness_folder,
            )
    if items is not None:
        _write_items(items, results)
    if json:
        _print_json(results)
    else:
        print_results(results)
    _require_scores(results)
    return 0


def _endpoint(model: str, base_url: str | None) -> "ModelConfig":
    from pydantic import ValidationError

    from metasynth.agents.models.provider import PROVIDERS
    from metasynth.config.model import ModelConfig

    try:
        PROVIDERS.check_value(model)
        return ModelConfig(model=model, base_url=base_url)
    except (ValidationError, RequestError):
        raise _unknown_model(model) from None


def _weights(
    model: str, revision: str | None, device: str, dtype: Precision, trust_remote_code: bool
) -> "WeightsConfig":
    from pydantic import ValidationError

    from metasynth.config.weights import WeightsConfig

    try:
        return WeightsConfig(
            model=model,
            revision=revision,
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
        )
    except ValidationError:
        raise _unknown_model(model) from None


def _unknown_model(model: str) -> RequestError:
    from metasynth.agents.models.provider import PROVIDERS

    return RequestError(f"no model {model!r}", hint=PROVIDERS.expected(), code="unknown_model")


def _checked_specs(
    names: Sequence[str], harness: Sequence[str], *, allow_code: bool
) -> "list[TaskSpec]":
    """The tasks of these names, if they may be run.

    Raises:
        RequestError: There is none, or it runs code, which was not allowed; the harness is missing.
    """
    from metasynth.eval.tasks.catalogue.tasks import TASKS, find_task
    from metasynth.eval.tasks.harness import require_harness

    specs = [find_task(name) for name in names]
    if not specs and not harness:
        raise RequestError("no task was named", hint=f"one of: {', '.join(TASKS)}", code="no_task")
    for spec in specs:
        if spec.runs_code and not allow_code:
            raise RequestError(
                f"task {spec.name} runs code that the model writes",
                hint="--run-code runs it confined, in a process of its own",
                code="code_not_allowed",
            )
    if harness:
        require_harness()
    return specs


def _check_files(
    specs: "Sequence[TaskSpec]", rows: Path | None, examples: Path | None, data: Path | None
) -> None:
    if (rows or examples) and len(specs) != 1:
        raise RequestError(
            "--rows and --examples are the rows of one task: name one", code="one_task"
        )
    if rows is not None and data is not None:
        raise RequestError(
            "give the rows with --rows or with --data, not with both", code="rows_and_data"
        )
    for path in (rows, examples):
        if path is not None and not path.is_file():
            raise RequestError(f"no such file: {path}", code="missing_file")


def _check_folders(*folders: Path | None) -> None:
    for path in folders:
        if path is not None and not path.is_dir():
            raise RequestError(f"no such folder: {path}", code="missing_directory")


def _check_endpoint(trained: Path | None, harness: Sequence[str] | None) -> None:
    if trained is not None:
        raise RequestError(
            "--trained is of a model in this process",
            hint="--model local:PATH",
            code="not_in_process",
        )
    if harness:
        raise RequestError(
            "--harness asks a model in this process",
            hint="--model embedded, or local:PATH",
            code="not_in_process",
        )


def _read_rows(
    spec: "TaskSpec",
    rows: Path | None,
    examples: Path | None,
    data: Path | None,
    shots: int | None,
) -> "tuple[list[TaskRow], list[TaskRow] | None]":
    """The rows of a task, and those that its examples come from (None: the others)."""
    from metasynth.eval.tasks.data_sets import load_task_rows, read_task_rows

    own = load_task_rows(spec.rows, folder=data) if rows is None else read_task_rows(rows)
    if examples is not None:
        return own, read_task_rows(examples)
    shots = spec.shots if shots is None else shots
    if rows is not None or spec.examples is None or not shots:
        return own, None
    return own, load_task_rows(spec.examples, folder=data)


def _load(
    config: "ModelConfig | WeightsConfig", trained: Path | None, settings: TaskSettings
) -> "LoadedLM | AskModel":
    """The model; the slow libraries come with it."""
    from metasynth.config.weights import WeightsConfig

    if isinstance(config, WeightsConfig):
        from metasynth.lm.weights import load_weights

        lm = load_weights(config)
        if trained is None:
            return lm
        from metasynth.student.training.fine_tuning import load_trained

        return load_trained(lm, trained, in_place=True)
    from metasynth.agents.models.provider import chat_model
    from metasynth.eval.tasks.running.models import ModelReply

    model = chat_model(config)

    async def ask(prompt: str, *, step: str, max_tokens: int) -> ModelReply:
        del step  # names the call where calls are kept
        reply = await model.ainvoke(prompt, temperature=settings.temperature, max_tokens=max_tokens)
        cut = reply.response_metadata.get("finish_reason") == "length"
        return ModelReply(str(reply.text), cut=cut)

    return ask


class _Progress:
    """The rows of one task on the bar; an interruption says that answers are not kept."""

    def __init__(self, bar: "Bar", name: str) -> None:
        self._bar = bar
        self._name = name

    def __call__(self, done: int, total: int) -> None:
        try:
            self._bar.update(done, total, self._name)
        except RunInterruptedError as error:
            hint = "answers are not kept: the same command begins anew; --limit asks fewer rows"
            raise RunInterruptedError(f"{self._name}: {error.message}", hint=hint) from None


def _require_scores(results: "list[TaskResult]") -> None:
    if not any(result.scored for result in results):
        reasons = {reason for result in results for reason in result.unscored}
        told = ", ".join(reasons or {"there are no rows"})
        raise MetaSynthError("no row could be scored", hint=f"because of: {told}", code="no_scores")


def _print_json(results: "list[TaskResult]") -> None:
    import json

    from metasynth.cli.screen.terminal import tell

    tell(json.dumps({"results": [result.as_json() for result in results]}, indent=2))


def _write_items(path: Path, results: "list[TaskResult]") -> None:
    import json
    from dataclasses import asdict

    from metasynth.records.rundir import write_atomically

    lines = [
        json.dumps({"task": result.task, **asdict(item)}, ensure_ascii=False)
        for result in results
        for item in result.items
    ]
    try:
        write_atomically(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be written ({error.strerror or error})", code="not_writable"
        ) from None
