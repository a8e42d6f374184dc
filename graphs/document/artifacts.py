"""Artifacts by reference, and the records that are made of them."""

from collections.abc import Mapping

from metasynth.graphs.admission.gate import Draft
from metasynth.graphs.approval import review_of
from metasynth.graphs.run.state import Artifact, CallResult, DocumentState
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import CheckerResult, Generation, Novelty, Record


def new_artifact(kind: str, text: str, *, by: str, about: str = "") -> Artifact:
    """A whole artifact."""
    return Artifact(kind=kind, text=text, by=by, about=about, cut=False)


def next_ref(kind: str, artifacts: Mapping[str, Artifact], reserved: set[str]) -> str:
    """The next free reference of a kind: draft-1, draft-2, …"""
    number = 1
    while (ref := f"{kind}-{number}") in artifacts or ref in reserved:
        number += 1
    reserved.add(ref)
    return ref


def parents_of(attached: Mapping[str, Artifact]) -> list[str]:
    """The contexts that attached drafts were sampled with, or rewritten from what was."""
    found = [
        parent
        for artifact in attached.values()
        if artifact["kind"] == "draft"
        for parent in artifact.get("parents", [])
    ]
    return list(dict.fromkeys(found))


def answered(call_id: str, text: str) -> DocumentState:
    """The update that answers a tool call."""
    return DocumentState(results={call_id: CallResult(text=text)})


def latest_about(artifacts: Mapping[str, Artifact], kind: str, draft: str) -> str:
    """The text of the newest artifact of a kind that speaks of a draft; empty without one."""
    found = [a["text"] for a in artifacts.values() if a["kind"] == kind and a["about"] == draft]
    return found[-1] if found else ""


def draft_of(state: DocumentState, ref: str) -> Draft:
    """What the gate is shown of the artifact `ref`."""
    artifacts = state["artifacts"]
    artifact = artifacts[ref]
    return Draft(
        text=artifact["text"],
        summary=latest_about(artifacts, "summary", ref),
        topic=latest_about(artifacts, "topic", ref),
        seed_set=tuple(state.get("seed_set", [])),
        cut=artifact["cut"],
    )


def document_record(
    workspace: Workspace,
    state: DocumentState,
    *,
    novelty: Novelty | None = None,
    checker: CheckerResult | None = None,
    reason: str | None = None,
) -> Record:
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
        revisions=max(0, state.get("tries", 0) - (reason is not None)),
        refusals=list(state.get("refusals", [])),
        novelty=novelty,
        checker=checker,
        review=review_of(state, reason),
        generation=generation(workspace, state["record_id"]),
        reason=reason,
    )
    return workspace.with_lineage(record)


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
        calls=spent.calls,
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        seconds=round(spent.seconds, 3) if workspace.keeps_time else 0.0,
        usd=None if spent.unpriced else round(spent.usd, 8),
    )
