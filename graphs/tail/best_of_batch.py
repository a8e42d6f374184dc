"""What follows from the student's say: records that are stamped, held, and chosen among."""

from metasynth.config.run import RunConfig
from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.admission.screening import NoScreen, Screen
from metasynth.graphs.admission.waiting import Candidate, Choice, WaitingRoom
from metasynth.graphs.run.budget import Quota
from metasynth.graphs.workspace import Workspace
from metasynth.memory.corpus import Corpus
from metasynth.records.record import Record


def open_quota(config: RunConfig, corpus: Corpus, screen: NoScreen) -> Quota:
    """The quota of a run; candidates that wait are in it."""
    person = " and the person who decides" if config.review.ask else ""
    return Quota(
        config.budget.records,
        accepted=corpus.accepted,
        stall_after=config.budget.stall_after,
        held=len(screen.room),
        batch=screen.batch,
        keep=screen.keep,
        past=f"{screen.past}{person}",
        first_within=_first_within(config),
    )


def _first_within(config: RunConfig) -> int | None:
    """The run file's bound, at least a record for each chain; none where a person decides."""
    bound = config.budget.first_within
    return None if bound is None or config.review.ask else max(bound, config.concurrency)


async def begin_quota(workspace: Workspace) -> None:
    """Count what is there, and hand records out anew."""
    await workspace.quota.begin(accepted=workspace.corpus.accepted, held=len(workspace.screen.room))


async def hold(workspace: Workspace, record: Record, draft: Draft) -> bool:
    """Have a candidate wait for a choice, and choose as soon as a batch is there.

    Args:
        record: The record that the student has scored.
        draft: What admission will be shown of it.

    Returns:
        False, and nothing happens, where the run admits candidates one by one.
    """
    room = workspace.screen.room
    if not isinstance(room, WaitingRoom):
        return False
    if record.id not in room:
        await room.add(Candidate(record, draft))
    await workspace.quota.hold()
    await settle(workspace)
    return True


async def settle(workspace: Workspace, *, final: bool = False) -> None:
    """Choose among the candidates that wait, as often as a batch of them is there.

    Args:
        final: No more will come: what waits is decided, however little it is.
    """
    room = workspace.screen.room
    if not isinstance(room, WaitingRoom):
        return
    async with room.one_at_a_time:
        for choice in room.unfinished:
            await _carry_out(workspace, room, choice)
        while size := _due(workspace, room, final=final):
            await _carry_out(workspace, room, await _chosen(workspace, room, size))


def _due(workspace: Workspace, room: WaitingRoom, *, final: bool) -> int:
    """How many of those that wait are to be decided now."""
    batch, waiting = workspace.screen.batch, len(room.unchosen)
    if final:
        return min(batch, waiting)
    wanted = min(batch, workspace.quota.wanted)
    return wanted if 0 < wanted <= waiting else 0


async def _chosen(workspace: Workspace, room: WaitingRoom, size: int) -> Choice:
    screen = workspace.screen
    assert isinstance(screen, Screen), "candidates wait for a student's choice"
    scores = {
        record.id: record.student.score
        for record in room.unchosen[:size]
        if record.student is not None
    }
    keep = -(-size * screen.keep // screen.batch)  # its share, rounded up
    keep = min(keep, max(0, workspace.quota.left))
    return await room.choose(screen.scorer.best_first(scores), keep)


async def _carry_out(workspace: Workspace, room: WaitingRoom, choice: Choice) -> None:
    """Admit the best that are still new until the places are taken, and reject the others."""
    taken = sum(workspace.corpus.is_accepted(id_) for id_ in choice.ids)
    for place, id_ in enumerate(choice.ids, start=1):
        candidate = room.find(id_)
        if candidate is None or candidate.record.student is None:
            continue  # decided before a kill
        placed = {"place": place, "batch": len(choice.ids)}
        student = candidate.record.student.model_copy(update=placed)
        record = candidate.record.model_copy(update={"student": student})
        told = f"{student.criterion} {student.score:.3f}, place {place} of {len(choice.ids)}"
        verdict = Verdict("student", f"{told}, {taken} are taken")
        if taken < choice.keep and workspace.quota.left > 0:
            verdict = await workspace.admission.admit(record, candidate.draft)
        if not verdict.passed:
            refusals = [*record.refusals, str(verdict.code)]
            update = {"reason": verdict.reason, "refusals": refusals}
            await workspace.admission.reject(record.model_copy(update=update))
        taken += verdict.passed
        room.leave(id_)
        await workspace.quota.decide(accepted=verdict.passed)
