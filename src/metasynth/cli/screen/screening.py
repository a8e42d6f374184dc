"""What the student let in and why, for the summary of a run and a record's receipt."""

from collections.abc import Iterator, Sequence
from statistics import median

from metasynth.graphs.admission.screening import Opinion, Screen
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record, StudentScore
from metasynth.text.words import excerpt

from .terminal import tell

_WORDS = 30  # of an example


def print_screening(workspace: Workspace, accepted: Sequence[Record]) -> None:
    """The student's part in a run, where it had one."""
    if not isinstance(workspace.screen, Screen):
        return
    for label, value in _facts(workspace.screen, workspace, accepted):
        tell(f"  {label:<15} {value}")


def told_score(score: StudentScore) -> str:
    """What a record's receipt says of its score."""
    told = f"{score.criterion} {score.score:.3f}"
    if score.place is not None:
        told += f", place {score.place} of {score.batch}"
    elif score.threshold is not None:
        told += f", held against {score.threshold:.3f}"
    return f"{told} (round {score.round})" if score.round else told


def _facts(
    screen: Screen, workspace: Workspace, accepted: Sequence[Record]
) -> Iterator[tuple[str, str]]:
    opinions = list(screen.opinions())
    scored = [one for one in opinions if one.score is not None]
    model, criterion = screen.scorer.model, screen.scorer.criterion
    yield "student", f"{model} by {criterion}: {len(scored)} candidates scored"
    if scored:
        let_in, refused = _parted(scored, workspace)
        yield "let in", _group(let_in)
        yield "refused", _group(refused)
        yield "by", _rule(screen)
    if len(opinions) > len(scored):
        first = next(one for one in opinions if one.score is None)
        yield "not scorable", f"{len(opinions) - len(scored)}, the first: {first.detail}"
    ranked = sorted((r for r in accepted if r.student), key=lambda r: (_score(r), r.id))
    if ranked:
        yield "hardest let in", _example(ranked[-1])
        yield "easiest let in", _example(ranked[0])


def _parted(scored: list[Opinion], workspace: Workspace) -> tuple[list[Opinion], list[Opinion]]:
    """Those that the student let in, and those that it refused."""
    if not workspace.screen.room.chooses:
        return [o for o in scored if not o.code], [o for o in scored if o.code]
    decided = [one for one in scored if one.id in workspace.corpus]
    return (
        [one for one in decided if workspace.corpus.is_accepted(one.id)],
        [one for one in decided if not workspace.corpus.is_accepted(one.id)],
    )


def _group(opinions: Sequence[Opinion]) -> str:
    scores = [one.score for one in opinions if one.score is not None]
    return f"{len(scores)}, median score {median(scores):.3f}" if scores else "none"


def _rule(screen: Screen) -> str:
    settings = screen.settings
    if screen.room.chooses:
        wanted = {"high": "highest", "low": "lowest", "middle": "most middling"}
        return (
            f"place: the {settings.keep} {wanted[settings.direction]} of every {settings.batch} "
            "candidates that passed the gate"
        )
    if screen.limit is None:
        return f"nothing yet: the first {settings.warmup} scores pass"
    limit = screen.limit
    where = f"quantile {limit.quantile:g} of the last {limit.of}"
    if limit.centre is not None:
        return f"threshold: at most {limit.value:.3f} from {limit.centre:.3f} at the end ({where})"
    least = "at least" if settings.direction == "high" else "at most"
    return f"threshold: {least} {limit.value:.3f} at the end ({where})"


def _example(record: Record) -> str:
    return f"{_score(record):.3f} [{record.id}] {excerpt(record.body, _WORDS)}"


def _score(record: Record) -> float:
    assert record.student is not None
    return record.student.score
