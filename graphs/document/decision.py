"""What the calls of one conductor turn come to."""

from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import ToolMessage

from metasynth.agents.messages import one_line, parse_keywords
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.run.nodes import Command
from metasynth.graphs.run.state import DocumentState, Submission
from metasynth.graphs.workspace import Workspace

from .artifacts import new_artifact, unasked


class Decision:
    """What the calls of one turn come to.

    Args:
        state: The record's.
        submits: The kind of artifact that is handed to the gate, and the argument that names it.
        required: Experts whose word on it the conductor must have read before.
    """

    def __init__(
        self, state: DocumentState, *, submits: str = "draft", required: Sequence[str] = ()
    ) -> None:
        self._state = state
        self._submits = submits
        self._required = required
        self._made_now: set[str] = set()
        self._replies: list[ToolMessage] = []
        self._submission: Submission | None = None
        self._given_up: str | None = None
        self.seed_set: list[str] | None = None

    def take(self, call_id: str, name: str, args: dict[str, Any]) -> None:
        """Handle one call: consultations were made already and lie in the results."""
        results = self._state.get("results", {})
        if call_id in results:
            self._made_now.add(results[call_id]["text"].partition(" ")[0])
            self._reply(call_id, results[call_id]["text"])
        elif name == "set_seeds":
            self._set_seeds(call_id, str(args["source"]))
        elif name == "submit":
            self._submit(call_id, str(args[self._submits]))
        else:
            self._given_up = one_line(str(args["reason"]), most_words=40)
            self._reply(call_id, "given up")

    def command(self) -> Command[Literal["gate", "reject", "conductor"]]:
        """Where the graph goes from here."""
        update: dict[str, Any] = {"messages": self._replies}
        if self.seed_set is not None:
            update["seed_set"] = self.seed_set
        if self._submission is not None:
            return Command(update={**update, "submission": self._submission}, goto="gate")
        if self._given_up is not None:
            reason = _final_reason(self._state, f"given_up: {self._given_up}")
            return Command(update={**update, "reason": reason}, goto="reject")
        return Command(update=update, goto="conductor")

    def _set_seeds(self, call_id: str, source: str) -> None:
        artifact = self._state["artifacts"].get(source)
        if artifact is None or artifact["kind"] not in ("keywords", "seed"):
            self._reply(call_id, f"error: {one_line(source, most_words=3)} is no keyword list")
            return
        keywords = parse_keywords(artifact["text"])
        if artifact["kind"] == "seed" and not self._state["seed"]["keywords"]:
            self._reply(call_id, "error: the seed is a document: have its keywords extracted first")
            return
        self.seed_set = keywords
        self._reply(call_id, f"seed set: {', '.join(keywords)}")

    def _submit(self, call_id: str, ref: str) -> None:
        artifact = self._state["artifacts"].get(ref)
        if self._submission is not None:
            self._reply(call_id, f"error: one {self._submits} at a time")
        elif artifact is None or artifact["kind"] != self._submits:
            self._reply(call_id, f"error: {one_line(ref, most_words=3)} is no {self._submits}")
        elif self._required and (missing := self._unread(ref)):
            told = f"error: {', '.join(missing)} had to be asked about {ref} first"
            self._reply(call_id, f"{told}; read what was said, then submit again or change it")
        else:
            # the gate answers this call, whatever it says
            self._submission = Submission(draft=ref, call_id=call_id)

    def _unread(self, ref: str) -> tuple[str, ...]:
        """The required experts whose word on a draft came in this turn, or has not come."""
        artifacts = self._state["artifacts"]
        read = {key: each for key, each in artifacts.items() if key not in self._made_now}
        return unasked(read, ref, self._required)

    def _reply(self, call_id: str, text: str) -> None:
        self._replies.append(ToolMessage(text, tool_call_id=call_id, id=f"{call_id}/answer"))


def refused(
    workspace: Workspace, state: DocumentState, verdict: Verdict
) -> Command[Literal["conductor", "reject"]]:
    """Tell the conductor why, or give the record up when its tries are used."""
    ref, call_id = state["submission"]["draft"], state["submission"]["call_id"]
    tries = state["tries"] + 1
    text = f"refused {ref}: {verdict.code}\n{one_line(verdict.detail, most_words=70)}"
    update: dict[str, Any] = {
        "messages": [ToolMessage(text, tool_call_id=call_id, id=f"{call_id}/answer")],
        "refusals": [str(verdict.code)],
        "tries": tries,
    }
    if verdict.nearest_summary:
        near = new_artifact("neighbours", verdict.nearest_summary, by="gate")
        update["artifacts"] = {"neighbours": near}
    if tries >= workspace.config.gate.tries:
        return Command(update={**update, "reason": verdict.reason}, goto="reject")
    return Command(update=update, goto="conductor")


def lost(reason: str) -> Command[Literal["reject"]]:
    """Reject the record for this reason: no draft is to be had."""
    return Command(update={"reason": reason}, goto="reject")


def _final_reason(state: DocumentState, reason: str) -> str:
    refusals = state.get("refusals", [])
    return f"{reason} (after {', '.join(refusals)})" if refusals else reason
