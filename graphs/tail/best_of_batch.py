"""What follows from the student's say: records that are stamped, held, and chosen among."""

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.admission.waiting import Candidate, Choice, WaitingRoom
from metasynth.graphs.run.budget import Quota
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record


def new_quota(workspace: Workspace) -> Quota:
    """The quota of a run that starts or goes on; candidates that wait are in it."""
    budget, screen = workspace.config.budget, workspace.screen
    person = " and the person who decides" if workspace.config.review.ask else ""
    if screen is None:
        return Quota(
            budget.records,
            accepted=workspace.corpus.accepted,
            stall_after=budget.stall_after,
            past=f"the gate{person}",
        )
    chooses = screen.room is not None
    return Quota(
        budget.records,
        accepted=workspace.corpus.accepted,
        stall_after=budget.stall_after,
        held=len(screen.room) if screen.room is not None else 0,
        batch=screen.settings.batch if chooses else 1,
        keep=screen.settings.keep if chooses else 1,
        past=f"the gate and the student{person}",
    )


def stamped(workspace: Workspace, record: Record) -> Record:
    """The record with the student's score, where it has one."""
    return workspace.screen.stamped(record) if workspace.screen is not None else record


async def hold(workspace: Workspace, record: Record, draft: Draft) -> bool:
    """Have a candidate wait for a choice, and choose as soon as a batch is there.

    Args:
        record: The record that the student has scored.
        draft: What admission will be shown of it.

    Returns:
        False, and nothing happens, where the run admits candidates one by one.
    """
    screen = workspace.screen
    if screen is None or screen.room is None:
        return False
    if record.id not in screen.room:
        await screen.room.add(Candidate(stamped(workspace, record), draft))
    if workspace.quota is not None:
        await workspace.quota.hold()
    await settle(workspace)
    return True


async def settle(workspace: Workspace, *, final: bool = False) -> None:
    """Choose among the candidates that wait, as often as a batch of them is there.

    Args:
        final: No more will come: what waits is decided, however little it is.
    """
    if workspace.screen is None or workspace.screen.room is None:
        return
    room = workspace.screen.room
    async with room.one_at_a_time:
        for choice in room.unfinished:
            await _carry_out(workspace, room, choice)
        while size := _due(workspace, room, final=final):
            await _carry_out(workspace, room, await _chosen(workspace, room, size))


def _due(workspace: Workspace, room: WaitingRoom, *, final: bool) -> int:
    """How many of those that wait are to be decided now."""
    assert workspace.screen is not None
    batch, waiting = workspace.screen.settings.batch, len(room.unchosen)
    if final:
        return min(batch, waiting)
    wanted = batch if workspace.quota is None else min(batch, workspace.quota.wanted)
    return wanted if 0 < wanted <= waiting else 0


async def _chosen(workspace: Workspace, room: WaitingRoom, size: int) -> Choice:
    screen = workspace.screen
    assert screen is not None
    scores = {
        record.id: record.student.score
        for record in room.unchosen[:size]
        if record.student is not None
    }
    keep = -(-size * screen.settings.keep // screen.settings.batch)  # its share, rounded up
    if workspace.quota is not None:
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
        if taken < choice.keep and (workspace.quota is None or workspace.quota.left > 0):
            verdict = await workspace.admission.admit(record, candidate.draft)
        if not verdict.passed:
            refusals = [*record.refusals, str(verdict.code)]
            update = {"reason": verdict.reason, "refusals": refusals}
            await workspace.admission.reject(record.model_copy(update=update))
        taken += verdict.passed
        room.leave(id_)
        if workspace.quota is not None:
            await workspace.quota.decide(accepted=verdict.passed)
