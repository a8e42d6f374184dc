"""Downstream tasks: what a model can do, measured with examples, by likelihood or by parsing.

    rows = load_task_rows(TASKS["boolq"].rows, folder=Path("data"))
    result = evaluate_task(load_lm("gpt2"), "boolq", rows, shots=3, seed=0)

A row that cannot be asked or judged is in no estimate, and named with its reason. An answer that
holds nothing to judge is wrong, by each task's rule, and counted beside.
"""

from collections.abc import Callable, Iterable

from metasynth.errors import RequestError
from metasynth.eval.tasks.catalogue.tasks import find_task
from metasynth.eval.tasks.estimates import estimates
from metasynth.eval.tasks.result import TaskResult
from metasynth.eval.tasks.settings import TaskSettings
from metasynth.eval.tasks.spec import BadItemError, TaskRow, TaskSpec
from metasynth.lm.load import LoadedLM
from metasynth.randomness import generator

from .few_shot import Examples
from .item_scoring import ItemScorer, Question
from .models import AskModel

OnProgress = Callable[[int, int], object]
"""Told how many rows are done, of how many; what it raises ends the evaluation."""


def evaluate_task(
    model: LoadedLM | AskModel,
    task: TaskSpec | str,
    rows: Iterable[TaskRow],
    *,
    examples: Iterable[TaskRow] | None = None,
    shots: int | None = None,
    seed: int = 0,
    settings: TaskSettings | None = None,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> TaskResult:
    """Ask a model the rows of a task, and judge its answers.

    Args:
        model: A causal model in this process, or what asks a chat model.
        task: A task, or the name of one of `TASKS`.
        rows: As the data set has them.
        examples: Where examples are drawn from; None: from `rows`. Never the question itself.
        shots: Examples before a question; None: as many as the task is usually given.
        seed: Of examples, drawn rows and answers.
        name: What the model is called in the result.

    Raises:
        RequestError: The task has no such setting, or runs code and that is not allowed.
        ModelCallError: An endpoint answers nothing.
    """
    spec = find_task(task) if isinstance(task, str) else task
    settings = settings or TaskSettings()
    shots = spec.shots if shots is None else shots
    _check(spec, settings, shots)
    read = _read(spec, rows)
    chosen = _drawn(read, settings.limit, seed)
    others = read if examples is None else _read(spec, examples)
    before = Examples(
        [question.item for question in others if question.item is not None],
        seed=seed,
        joint=spec.joint,
    )
    scorer = ItemScorer(model, spec, settings, shots=shots, seed=seed, examples=before)
    total = len(chosen)
    items = scorer.results(
        chosen, None if on_progress is None else lambda done: on_progress(done, total)
    )
    return TaskResult(
        task=spec.name,
        title=spec.title,
        model=name or (model.name if isinstance(model, LoadedLM) else "endpoint"),
        metric=spec.metric,
        estimates=estimates(spec, items, seed=seed),
        rule=spec.rule,
        settings=scorer.settings(),
        items=tuple(items),
    )


def _check(spec: TaskSpec, settings: TaskSettings, shots: int) -> None:
    if spec.runs_code and not settings.allow_code:
        raise RequestError(
            f"task {spec.name} runs code that the model writes, which was not allowed",
            hint="--run-code (allow_code=True) runs it confined, in a process of its own",
            code="code_not_allowed",
        )
    if shots > spec.most_shots:
        raise RequestError(
            f"task {spec.name} brings its examples along in its rows: {shots} more cannot be added"
            if not spec.most_shots
            else f"{shots} examples are too many: {spec.most_shots} at most",
            code="too_many_shots",
        )
    if shots < 0 or (settings.limit is not None and settings.limit < 1):
        raise RequestError("shots must be 0 or more, and limit 1 or more", code="out_of_range")


def _read(spec: TaskSpec, rows: Iterable[TaskRow]) -> list[Question]:
    read: list[Question] = []
    for number, row in enumerate(rows, start=1):
        try:
            read.append(Question(number, spec.read(row)))
        except BadItemError as error:
            read.append(Question(number, None, str(error)))
    return read


def _drawn(read: list[Question], limit: int | None, seed: int) -> list[Question]:
    """Rows drawn by the seed, in their order; the same rows for every model."""
    if limit is None or limit >= len(read):
        return read
    places = generator(seed, "task rows").sample(range(len(read)), limit)
    return [read[place] for place in sorted(places)]
