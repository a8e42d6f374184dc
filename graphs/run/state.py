"""The state of the graphs: plain types only, so that a checkpoint can be read by anything."""

import operator
from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Artifact(TypedDict):
    """What an expert made, or was given: known to the conductor by its reference alone.

    `about` is the draft that a summary, topic or analysis speaks of; `cut` is true where the answer
    ended at the token limit. A draft that was sampled names its `source` and, as do rewrites of it,
    its `parents`: the ids of the contexts that it was sampled with.
    """

    kind: str
    text: str
    by: str
    about: str
    cut: bool
    source: NotRequired[str]
    parents: NotRequired[list[str]]


class SeedState(TypedDict):
    """The seed of the record in work."""

    id: str
    text: str
    keywords: list[str]


class CallResult(TypedDict):
    """What the conductor reads as the answer to one tool call."""

    text: str


class Submission(TypedDict):
    """The draft that stands before the gate."""

    draft: str
    call_id: str


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Reducer: the union, the newer value winning."""
    return {**old, **new}


class DocumentInput(BaseModel):
    """What starts the document graph; all of it may be left to the defaults."""

    record_id: str = Field(default="", description="id of the record; empty: the next free one")
    chain: str = Field(default="00", description="which chain writes it")
    number: int = Field(default=1, description="which record of the chain it is")


class DocumentState(TypedDict, total=False):
    """One record on its way.

    `genres` and `personas` are what the brief offers and names.
    `verdict` is what the gate last measured, `review` what a person decided, `edit` an edited draft
    that was refused, with the reason.
    """

    record_id: str
    chain: str
    number: int
    seed: SeedState
    messages: Annotated[list[AnyMessage], add_messages]
    artifacts: Annotated[dict[str, Artifact], merge]
    results: Annotated[dict[str, CallResult], merge]
    experts: Annotated[list[str], operator.add]
    seed_set: list[str]
    genres: list[str]
    personas: list[str]
    persona: str
    genre: str
    turns: int
    tries: int
    samplings: int
    submission: Submission
    refusals: Annotated[list[str], operator.add]
    verdict: dict[str, Any]
    review: dict[str, str]
    edit: dict[str, Any]
    outcome: str
    reason: str


class DocumentOutput(TypedDict, total=False):
    """What a run of the document graph ends with."""

    record_id: str
    outcome: str
    reason: str


class Consultation(TypedDict):
    """One expert call on its way, sent to a node of its own."""

    record_id: str
    chain: str
    step: str
    call_id: str
    call: dict[str, Any]
    ref: str
    about: str
    attached: dict[str, Artifact]


class Sampling(TypedDict):
    """One draw of drafts on its way; `near` is a text or "", `refs` name the drafts to come."""

    record_id: str
    chain: str
    step: str
    call_id: str
    near: str
    refs: list[str]


class CorpusInput(BaseModel):
    """What starts the corpus graph."""

    chains: int = Field(default=4, ge=1, le=512, description="how many chains write at once")


class CorpusState(TypedDict, total=False):
    """A whole run: counts only, the records lie in the run directory."""

    chains: int
    finished: Annotated[list[str], operator.add]
    accepted: int
    rejected: int
    stopped_because: str


class ChainTask(TypedDict):
    """One chain, sent to a node of its own."""

    chain: int


class TemplateState(TypedDict, total=False):
    """One record of the template baseline.

    `shown` are the texts beside the prompt with their ids; `asked` says whether the document was
    asked to fit the seed.
    """

    record_id: str
    chain: str
    number: int
    seed: SeedState
    genre: str
    shown: dict[str, list[tuple[str, str]]]
    text: str
    cut: bool
    asked: bool
    refusals: list[str]
    verdict: dict[str, Any]
    review: dict[str, str]
    edit: dict[str, Any]
    outcome: str
    reason: str
