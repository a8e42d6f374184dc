"""The end of the document graph: the submitted draft, its record, and the way back."""

from typing import Any, Literal

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.run.nodes import END, Command
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.run.state import DocumentState
from metasynth.graphs.tail.approval import text_of
from metasynth.graphs.tail.ending import Ending, generation
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record

from .artifacts import draft_of, next_ref
from .decision import refused


class DocumentEnding(Ending[DocumentState, Literal["conductor", "reject"], Literal["__end__"]]):
    """A refused draft goes back to the conductor, as long as it has tries."""

    done = END
    sends_back = True

    def draft(self, state: DocumentState) -> Draft:
        """The submitted draft with the summary and the label that the experts gave it."""
        return draft_of(state, state["submission"]["draft"])

    def record(self, workspace: Workspace, state: DocumentState, *, rejected: bool) -> Record:
        """The record of the submitted draft, or of what there is when nothing was submitted."""
        submission = state.get("submission")
        ref = submission["draft"] if submission else ""
        draft = draft_of(state, ref) if ref else None
        artifact = state["artifacts"][ref] if ref else None
        record = Record(
            id=state["record_id"],
            text=draft.text if draft else "",
            domain=workspace.config.domain.name,
            topic=draft.topic if draft else "",
            persona=state.get("persona", ""),
            genre=state.get("genre", ""),
            keywords=list(state.get("seed_set", [])),
            summary=draft.summary if draft else "",
            seed_ids=[state["seed"]["id"]] if "seed" in state else [],
            parent_ids=list(artifact.get("parents", [])) if artifact else [],
            source=artifact.get("source", "conductor") if artifact else "conductor",
            experts=list(state.get("experts", [])),
            revisions=max(0, state.get("tries", 0) - rejected),
            generation=generation(workspace, state["record_id"]),
        )
        return workspace.with_lineage(record)

    async def judge(self, workspace: Workspace, state: DocumentState) -> Verdict:
        """What the gate says; a draft without a seed set cannot be held against one."""
        if not state["seed_set"]:
            return Verdict("seeds_missing", "no seed set is settled: call set_seeds first")
        return await workspace.gate.judge(self.draft(state))

    def refuse(
        self, workspace: Workspace, state: DocumentState, verdict: Verdict
    ) -> Command[Literal["conductor", "reject"]]:
        """Tell the conductor why, or give the record up when its tries are used."""
        return refused(workspace, state, verdict)

    def edited(self, state: DocumentState, decision: ReviewDecision) -> dict[str, Any]:
        """A draft of its own, which keeps the summary and the label of the one that was edited."""
        artifacts, old = state["artifacts"], state["submission"]["draft"]
        ref = next_ref("draft", artifacts, set())
        made = {ref: {**artifacts[old], "text": text_of(decision), "by": "person", "cut": False}}
        for artifact in artifacts.values():
            if artifact["about"] == old and (kind := artifact["kind"]) in ("summary", "topic"):
                made[next_ref(kind, artifacts, set())] = {**artifact, "about": ref}
        submission = {**state["submission"], "draft": ref}
        return {"artifacts": {**artifacts, **made}, "submission": submission}
