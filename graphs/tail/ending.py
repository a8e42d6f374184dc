"""What graphs have of their own at their end: how drafts are read, and where a refusal goes."""

from abc import ABC, abstractmethod
from typing import Any, Generic, Literal, TypeVar

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.run.nodes import Command
from metasynth.graphs.run.review import ReviewDecision, ask_by_interrupt
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Generation, Record
from metasynth.version import code_version

State = TypeVar("State")
Refused = TypeVar("Refused", bound=str)
Done = TypeVar("Done", bound=str)
Goto = TypeVar("Goto", bound=str)


class Ending(ABC, Generic[State, Refused, Done]):
    """The part of a graph's end that is the graph's own; the nodes are `Tail`'s.

    `State` is the graph's, `Refused` names the nodes where a refused draft may go, `Done` the one
    that follows when the record has ended.

    Attributes:
        done: The node of `Done`.
        sends_back: Whether a person may send a draft back to whoever wrote it.
    """

    done: Done
    sends_back = False

    @abstractmethod
    def draft(self, state: State) -> Draft:
        """What the gate and the admission are shown."""

    @abstractmethod
    def record(self, workspace: Workspace, state: State, *, rejected: bool) -> Record:
        """The record as it would enter the corpus, or as it is kept with what was rejected.

        It reads no file but the ledger, for it runs in no thread. `Tail` adds what was measured,
        refused and decided.
        """

    @abstractmethod
    async def judge(self, workspace: Workspace, state: State) -> Verdict:
        """What the gate says of the draft, and again of an edited one."""

    @abstractmethod
    def refuse(self, workspace: Workspace, state: State, verdict: Verdict) -> Command[Refused]:
        """Where the graph goes when gate, check, student or admission refuses the draft."""

    @abstractmethod
    def edited(self, state: State, decision: ReviewDecision) -> dict[str, Any]:
        """The update that takes a person's version.

        Raises:
            EditError: It has another form than the draft.
        """

    async def ask(
        self,
        workspace: Workspace,  # noqa: ARG002
        question: dict[str, Any],
    ) -> ReviewDecision:
        """What a person decides; the thread of the record stops until then."""
        return await ask_by_interrupt(question)

    async def ended(self, workspace: Workspace, *, accepted: bool) -> None:
        """The record was admitted or rejected."""


def given_up(verdict: Verdict) -> Command[Literal["reject"]]:
    """Reject the record for this reason, without another try."""
    update = {"reason": verdict.reason, "refusals": [str(verdict.code)]}
    return Command(update=update, goto="reject")


def with_update(command: Command[Goto], update: dict[str, Any]) -> Command[Goto]:
    """The command with more to write into the state."""
    return Command(update={**command.update, **update}, goto=command.goto)


def generation(workspace: Workspace, record_id: str) -> Generation:
    """What the ledger knows of a record's making."""
    spent = workspace.ledger.totals_of(record_id)
    return Generation(
        models={
            "conductor": workspace.voices.conductor.name,
            "experts": workspace.voices.experts.name,
        },
        prompt_version=workspace.prompt_version,
        config_hash=workspace.identity,
        code=code_version(),
        calls=spent.calls,
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        seconds=round(spent.seconds, 3) if workspace.keeps_time else 0.0,
        usd=None if spent.unpriced else round(spent.usd, 8),
    )
