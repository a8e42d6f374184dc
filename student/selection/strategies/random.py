"""Rows drawn uniformly: nothing needs to be known of them, so a pool is not scored for it."""

from metasynth.student.selection.strategy import SelectionTask, strategy


@strategy()
def choose(task: SelectionTask) -> list[int]:
    """Rows drawn uniformly without replacement."""
    order = task.rng.permutation(len(task.pool)).tolist()
    return task.allowance.take_open(order, task.count)
