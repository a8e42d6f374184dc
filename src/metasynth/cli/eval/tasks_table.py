"""What `eval tasks` prints: the tasks there are, and a table of what was found."""

from metasynth.cli.screen.terminal import tell
from metasynth.eval.tasks.accuracy import Estimate
from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.eval.tasks.result import TaskResult

_REASONS = 4  # that are named for each task


def print_tasks() -> None:
    """Every task: what it is called, how it is scored, where its rows are looked for."""
    for spec in TASKS.values():
        tell(f"{spec.name:<20} {spec.title}, {spec.metric}, {spec.shots} examples")
        hub = spec.rows.hub[0] if spec.rows.hub else "no hub"
        tell(f"{'':<20} rows: {spec.rows.file}, {hub}")
        tell(f"{'':<20} {spec.rule}\n")


def print_results(results: list[TaskResult]) -> None:
    """A table, and below it what stands behind its numbers."""
    tell(f"{'task':<20} {'metric':<20} {'value':>7} {'95 % interval':>16} {'scored':>13}")
    for result in results:
        for name, estimate in _shown_estimates(result).items():
            tell(f"{result.task:<20} {name:<20} {_numbers(estimate)} {_scored(result):>13}")
    for result in results:
        for note in _notes(result):
            tell(f"{result.task}: {note}")


def _shown_estimates(result: TaskResult) -> dict[str, Estimate]:
    """The task's own metric first; the two ways of likelihood where they differ."""
    rest = {
        name: estimate
        for name, estimate in result.estimates.items()
        if name != result.metric and estimate.value != result.main.value
    }
    return {result.metric: result.main, **rest}


def _numbers(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"{'-':>7} {'-':>16}"
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:>6.1f}% {'-':>16}"
    interval = f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return f"{100 * estimate.value:>6.1f}% {interval:>16}"


def _scored(result: TaskResult) -> str:
    return f"{result.scored} of {result.rows}"


def _notes(result: TaskResult) -> list[str]:
    settings = result.settings
    asked = f"{settings.get('scoring', 'harness')}, {settings['shots']} examples"
    notes = [asked + (", BOS" if settings.get("bos") else "")]
    if result.unanswered:
        notes.append(f"{result.unanswered} answers held nothing to judge and count as wrong")
    if result.fewer_shots:
        notes.append(f"{result.fewer_shots} questions had room for fewer examples")
    if result.cut:
        notes.append(f"{result.cut} answers or questions were cut")
    unscored = list(result.unscored.items())
    notes += [f"not scored: {count}, {reason}" for reason, count in unscored[:_REASONS]]
    if rest := sum(count for _, count in unscored[_REASONS:]):
        notes.append(f"not scored: {rest} more, for other reasons")
    return notes
