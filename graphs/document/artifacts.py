"""Artifacts by reference, and the records that are made of them."""

from collections.abc import Iterable, Mapping

from metasynth.graphs.admission.draft import Draft
from metasynth.graphs.run.state import Artifact, CallResult, DocumentState


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
    parents = [
        parent
        for artifact in attached.values()
        if artifact["kind"] == "draft"
        for parent in artifact.get("parents", [])
    ]
    return list(dict.fromkeys(parents))


def answered(call_id: str, text: str) -> DocumentState:
    """The update that answers a tool call."""
    return DocumentState(results={call_id: CallResult(text=text)})


def unasked(
    artifacts: Mapping[str, Artifact], draft: str, required: Iterable[str]
) -> tuple[str, ...]:
    """Of the required experts those that have said nothing of a draft."""
    asked = {artifact["by"] for artifact in artifacts.values() if artifact["about"] == draft}
    return tuple(name for name in required if name not in asked)


def latest_about(artifacts: Mapping[str, Artifact], kind: str, draft: str) -> str:
    """The text of the newest artifact of a kind that speaks of a draft; empty without one."""
    texts = [a["text"] for a in artifacts.values() if a["kind"] == kind and a["about"] == draft]
    return texts[-1] if texts else ""


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
