"""The numbers of a task's result, and of what one model has over another."""

from collections.abc import Sequence

from metasynth.errors import RequestError
from metasynth.randomness import derive_seed

from .accuracy import Estimate, Labelled, accuracy, mean_score, weighted_f1
from .result import ItemResult, TaskResult
from .spec import TaskSpec


def estimates(spec: TaskSpec, results: Sequence[ItemResult], *, seed: int) -> dict[str, Estimate]:
    """Accuracy, the task's own metric where that is another one, and both ways of likelihood."""
    scored = [item for item in results if item.correct is not None]
    drawn = derive_seed(seed, "task intervals")
    made = {"accuracy": accuracy(sum(item.correct is True for item in scored), len(scored))}
    labelled = [Labelled(item.expected, item.found or "", item.group) for item in scored]
    if spec.metric in ("weighted_f1", "grouped_weighted_f1"):
        by_group = spec.metric == "grouped_weighted_f1"
        made[spec.metric] = weighted_f1(labelled, seed=drawn, by_group=by_group)
    elif spec.metric == "micro_f1":  # with one label a row it is accuracy
        made[spec.metric] = made["accuracy"]
    elif spec.metric == "entity_f1":
        made[spec.metric] = mean_score(
            [item.score for item in scored if item.score is not None], seed=drawn
        )
    ways = {name for item in scored for name in item.correct_by}
    for name in sorted(ways):
        right = sum(item.correct_by[name] for item in scored)
        made[f"accuracy_{name}"] = accuracy(right, len(scored))
    return made


def task_gain(before: TaskResult, after: TaskResult, *, seed: int = 0) -> Estimate:
    """What `after` has over `before`: the mean difference of rows, with its bootstrap interval.

    Rows are compared in pairs, those that both have a verdict on; this tells smaller differences
    apart than two intervals beside each other do.

    Raises:
        RequestError: They are results of different tasks, or of different rows.
    """
    if before.task != after.task:
        raise RequestError(
            f"results of {before.task} and of {after.task} are no pair", code="other_task"
        )
    names = [[(item.row, item.id) for item in result.items] for result in (before, after)]
    if names[0] != names[1]:
        raise RequestError(
            f"two results of {before.task} that were asked different rows are no pair",
            hint="ask both with the same rows, limit and seed",
            code="other_rows",
        )
    differences = [
        _score(later) - _score(item)
        for item, later in zip(before.items, after.items, strict=True)
        if item.correct is not None and later.correct is not None
    ]
    return mean_score(differences, seed=derive_seed(seed, "task gain"))


def _score(item: ItemResult) -> float:
    return float(item.correct is True) if item.score is None else item.score
