"""Carrying out `eval tasks`: rows and model from the command line to a table, or to JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from metasynth.cli.screen.bars import Bar
from metasynth.cli.screen.terminal import tell
from metasynth.config.model import ModelConfig
from metasynth.config.student import StudentConfig
from metasynth.errors import MetaSynthError, RequestError, RunInterruptedError
from metasynth.eval.tasks.data_sets import load_task_rows, read_task_rows
from metasynth.eval.tasks.harness import harness_tasks, require_harness
from metasynth.eval.tasks.result import TaskResult
from metasynth.eval.tasks.running.evaluation import TASKS, evaluate_task, find_task
from metasynth.eval.tasks.running.item_scoring import TaskSettings
from metasynth.eval.tasks.running.models import ModelAnswer
from metasynth.eval.tasks.spec import TaskSpec
from metasynth.records.rundir import write_atomically

from .tasks_table import print_results

if TYPE_CHECKING:
    from metasynth.eval.tasks.running.models import AskModel
    from metasynth.eval.tasks.spec import TaskRow
    from metasynth.lm.load import LoadedLM


@dataclass(frozen=True)
class TasksRequest:
    """What the command line says."""

    names: tuple[str, ...]
    harness: tuple[str, ...]
    harness_tasks: Path | None
    model: ModelConfig | StudentConfig
    trained: Path | None
    data: Path | None
    rows: Path | None
    examples: Path | None
    shots: int | None
    seed: int
    items: Path | None
    settings: TaskSettings

    @property
    def name(self) -> str:
        """What the model is called in results."""
        return f"{self.model.model} + {self.trained}" if self.trained else self.model.model

    @classmethod
    def checked(
        cls,
        *,
        model: str,
        base_url: str | None,
        settings: Mapping[str, Any],
        weights: Mapping[str, Any],
        **others: Any,
    ) -> Self:
        """The request, if it can be carried out as far as one can tell without loading anything.

        Raises:
            RequestError: It names what is wrong or missing.
        """
        made = cls(
            model=_model(model, base_url, weights),
            settings=TaskSettings(**settings),
            **others,
        )
        made._check()
        return made

    def _check(self) -> None:
        if not self.names and not self.harness:
            raise RequestError("no task was named", hint=f"one of: {', '.join(TASKS)}")
        specs = [find_task(name) for name in self.names]
        if (self.rows or self.examples) and len(specs) != 1:
            raise RequestError("--rows and --examples are the rows of one task: name one")
        if self.rows is not None and self.data is not None:
            raise RequestError("give the rows with --rows or with --data, not with both")
        _check_paths((self.rows, self.examples), (self.data, self.harness_tasks, self.trained))
        unallowed = [spec.name for spec in specs if spec.runs_code and not self.settings.allow_code]
        if unallowed:
            raise RequestError(
                f"task {unallowed[0]} runs code that the model writes",
                hint="--run-code runs it confined, in a process of its own",
            )
        if self.trained is not None and isinstance(self.model, ModelConfig):
            raise RequestError("--trained is of a model in this process", hint="--model local:PATH")
        if self.harness:
            self._check_harness()

    def _check_harness(self) -> None:
        require_harness()
        if isinstance(self.model, ModelConfig):
            raise RequestError(
                "--harness asks a model in this process", hint="--model embedded, or local:PATH"
            )


def _check_paths(files: Iterable[Path | None], folders: Iterable[Path | None]) -> None:
    for path in files:
        if path is not None and not path.is_file():
            raise RequestError(f"no such file: {path}")
    for path in folders:
        if path is not None and not path.is_dir():
            raise RequestError(f"no such folder: {path}")


def carry_out_tasks(request: TasksRequest, *, as_json: bool, quiet: bool) -> None:
    """Evaluate task after task, and print what was found."""
    loaded = [_rows(request, find_task(name)) for name in request.names]
    results: list[TaskResult] = []
    with Bar("row", quiet=quiet) as bar:
        bar.update(0, 1, f"loading {request.model.model}")
        model = _load(request)
        for name, (rows, examples) in zip(request.names, loaded, strict=True):
            results.append(
                evaluate_task(
                    model,
                    name,
                    rows,
                    examples=examples,
                    shots=request.shots,
                    seed=request.seed,
                    settings=request.settings,
                    name=request.name,
                    on_progress=partial(_show, bar, name),
                )
            )
        if request.harness:
            results += _of_harness(request, model)
    if request.items is not None:
        _write_items(request.items, results)
    if as_json:
        tell(json.dumps({"results": [one.as_json() for one in results]}, indent=2))
    else:
        print_results(results)
    if not any(one.scored for one in results):
        reasons = {reason for one in results for reason in one.unscored} or {"there are no rows"}
        raise MetaSynthError("no row could be scored", hint=f"because of: {', '.join(reasons)}")


def _show(bar: Bar, name: str, done: int, total: int) -> None:
    try:
        bar.update(done, total, name)
    except RunInterruptedError as error:
        hint = "answers are not kept: the same command begins anew; --limit asks fewer rows"
        raise RunInterruptedError(f"{name}: {error.message}", hint=hint) from None


def _of_harness(request: TasksRequest, model: "LoadedLM | AskModel") -> list[TaskResult]:
    from metasynth.lm.load import LoadedLM

    assert isinstance(model, LoadedLM)
    return harness_tasks(
        model,
        request.harness,
        shots=request.shots,
        limit=request.settings.limit,
        seed=request.seed,
        bos=request.settings.bos,
        chat=request.settings.chat,
        batch=request.settings.max_batch,
        folder=request.harness_tasks,
    )


def _rows(request: TasksRequest, spec: TaskSpec) -> "tuple[list[TaskRow], list[TaskRow] | None]":
    """The rows of a task, and those that its examples come from (None: the others)."""
    if request.rows is not None:
        rows = read_task_rows(request.rows)
        examples = read_task_rows(request.examples) if request.examples else None
        return rows, examples
    rows = load_task_rows(spec.rows, folder=request.data)
    if request.examples is not None:
        return rows, read_task_rows(request.examples)
    shots = spec.shots if request.shots is None else request.shots
    if spec.examples is None or not shots:
        return rows, None
    return rows, load_task_rows(spec.examples, folder=request.data)


def _model(
    name: str, base_url: str | None, weights: Mapping[str, Any]
) -> ModelConfig | StudentConfig:
    try:
        if name.startswith("openai:"):
            return ModelConfig(model=name, base_url=base_url)
        return StudentConfig(model=name, **weights)
    except ValidationError:
        raise RequestError(
            f"no model {name!r}", hint="embedded, local:PATH_OR_HUB_ID or openai:NAME"
        ) from None


def _load(request: TasksRequest) -> "LoadedLM | AskModel":
    """The model; the slow libraries come with it."""
    config, settings = request.model, request.settings
    if isinstance(config, StudentConfig):
        from metasynth.lm.weights import load_weights

        lm = load_weights(config)
        if request.trained is None:
            return lm
        from metasynth.student.training.fine_tuning import load_trained

        return load_trained(lm, request.trained, in_place=True)
    from metasynth.agents.models.factory import chat_model

    model = chat_model(config)

    async def ask(prompt: str, *, step: str, max_tokens: int) -> ModelAnswer:
        del step  # names the call where calls are kept
        reply = await model.ainvoke(prompt, temperature=settings.temperature, max_tokens=max_tokens)
        cut = reply.response_metadata.get("finish_reason") == "length"
        return ModelAnswer(str(reply.text), cut=cut)

    return ask


def _write_items(path: Path, results: list[TaskResult]) -> None:
    lines = [
        json.dumps({"task": result.task, **asdict(item)}, ensure_ascii=False)
        for result in results
        for item in result.items
    ]
    try:
        write_atomically(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise RequestError(f"{path}: cannot be written ({error.strerror or error})") from None
