"""What the nodes of every graph work with: one object, made by `compose` for a run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import BaseModel, Field

from metasynth.agents.models.adaptation.adaptation import Adaptations
from metasynth.agents.roles.book import RoleBook
from metasynth.agents.roles.role import Role
from metasynth.blocking import brief
from metasynth.config.run import RunConfig
from metasynth.graphs.admission.admission import Admission
from metasynth.graphs.admission.gate import Gate
from metasynth.graphs.admission.screening import NoScreen
from metasynth.graphs.run.budget import Budget, Quota
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.prompts import prompt_variables
from metasynth.graphs.run.review import Reviewer, ask_by_interrupt
from metasynth.graphs.run.state import DocumentInput
from metasynth.graphs.run.threads import NoThreads, record_id
from metasynth.graphs.run.tool_form import ToolForm
from metasynth.graphs.run.voices import Voices, keeps_time
from metasynth.graphs.seeding.seeding import Seeds
from metasynth.graphs.softsrv.steering.sampler import NoSampler
from metasynth.memory.corpus import Corpus
from metasynth.memory.ledger import Ledger
from metasynth.memory.records import RecordMemory
from metasynth.records.record import Record
from metasynth.records.seeds import Seed

State = TypeVar("State", bound=Mapping[str, Any])


@dataclass(frozen=True, eq=False)
class Workspace:
    """A run's live objects. `state` of the graphs holds none of them.

    Graphs with objects of their own derive from it (see `questions`, `softsrv`, `active`).
    What a run does not have does nothing: nothing is screened, nothing is sampled.

    Attributes:
        quota: Hands out the records that are still to be written.
        screen: The student's say.
        sampler: What the conductor has a tool to draw drafts with.
        exemplars: The real documents that a template shows.
        threads: Those of ended records.
        reviewer: Asks a person about a draft.
        adaptations: How requests are changed for their endpoints; tells a line for each.
        tool_form: How the conductor's model is offered tools.
        checkpointer: Of the record graphs; LangGraph keeps no threads without one.
        callbacks: What a graph of this run is to be called with, so that its nodes are in the
            traces.
    """

    config: RunConfig
    identity: str
    roles: RoleBook
    voices: Voices
    ledger: Ledger
    corpus: Corpus
    memory: RecordMemory
    gate: Gate
    admission: Admission
    seeds: Seeds
    budget: Budget
    caller: Caller
    quota: Quota
    checkpointer: BaseCheckpointSaver[Any] | None = None
    threads: NoThreads = field(default_factory=NoThreads)
    prompt_version: str = ""
    exemplars: Sequence[Seed] = ()
    sampler: NoSampler = field(default_factory=NoSampler)
    screen: NoScreen = field(default_factory=NoScreen)
    reviewer: Reviewer = ask_by_interrupt
    adaptations: Adaptations = field(default_factory=Adaptations)
    tool_form: ToolForm = field(default_factory=lambda: ToolForm("native"))
    callbacks: Sequence[BaseCallbackHandler] = ()

    @property
    def is_reviewed_here(self) -> bool:
        """Whether a person answers in this process and not through the threads' interrupts."""
        return self.reviewer is not ask_by_interrupt

    @property
    def activity(self) -> list[tuple[str, str]]:
        """What is computed beside the calls: a label and a text each, for whoever watches."""
        parts = (("softsrv", self.sampler), ("student", self.screen))
        return [(label, part.stage) for label, part in parts if part.stage]

    def with_lineage(self, record: Record) -> Record:
        """The record with what the run knows of where it came from; here nothing more."""
        return record

    @property
    def keeps_time(self) -> bool:
        """Whether records carry times: not where a run repeats byte for byte (the ledger does)."""
        return keeps_time(self.config, self.voices)

    def offered(self, graph: str) -> list[Role]:
        """The roles that the conductor of `graph` is offered."""
        settings = self.config.conductor
        return [
            role
            for role in self.roles.offered_by(graph)
            if role.name not in settings.without
            and (settings.personas or role.produces != "persona")
        ]

    def variables(self, *, persona: str = "", genre: str = "") -> dict[str, object]:
        """What prompts may mention."""
        return prompt_variables(self.config, persona=persona, genre=genre)

    def record_id(self, chain: str, number: int) -> str:
        """The id of a chain's n-th record: the same on every start, unlike any other run's."""
        return record_id(self.identity, chain, number)

    def has_ended(self, record_id: str) -> bool:
        """Whether a record was accepted or rejected, or waits for the student's choice."""
        return record_id in self.corpus or record_id in self.screen

    def next_number(self, chain: str) -> int:
        """The number of the chain's first record that has not ended."""
        number = 1
        while self.has_ended(self.record_id(chain, number)):
            number += 1
        return number

    async def begun(
        self, chain: str, record_id: str, choose: Callable[[], Awaitable[State]]
    ) -> State:
        """What a record starts from: what an earlier start has chosen, or else what is chosen now.

        It lies beside the calls, so that a record without a thread comes to the same ones again.
        """
        known: Any = await brief(self.ledger.beginning, record_id)
        if known is None:
            state = await choose()
            self.ledger.begin(record_id, state)
            return state
        self.seeds.remember(chain, known["seed"]["id"])
        return known  # type: ignore[no-any-return]

    def place_of(self, given: DocumentInput) -> tuple[int, str]:
        """Number and id of the record that a graph begins; the chain's next where none is given."""
        number = given.number if given.record_id else self.next_number(given.chain)
        return number, given.record_id or self.record_id(given.chain, number)


class RunContext(BaseModel):
    """What Studio's form asks for before it runs a graph; the defaults work offline at once."""

    domain: str = Field(
        default="everyday arithmetic", title="Domain", description="what the corpus is about"
    )
    teacher: str = Field(
        default="embedded",
        title="Teacher",
        description="embedded (offline), openai:NAME or local:PATH_OR_HUB_ID",
        examples=["embedded", "openai:gpt-4o-mini"],
    )
    base_url: str = Field(
        default="", title="Endpoint", description="OpenAI-compatible server, where not OpenAI's"
    )
    records: int = Field(
        default=4, ge=1, le=10_000, title="Budget", description="accepted records that end the run"
    )
    roles: str = Field(
        default="",
        title="Role directory",
        description="a directory of own role files, or library:DOMAIN",
    )
    review: bool = Field(
        default=False, title="Review", description="ask a person before each admission"
    )
    run_file: str = Field(
        default="",
        title="Run file",
        description="a run file, instead of the fields above but for the review",
    )


Source = Callable[[RunContext | None], Awaitable[Workspace]]


def constant(workspace: Workspace) -> Source:
    """A source that always gives this workspace."""

    async def source(_context: RunContext | None) -> Workspace:
        return workspace

    return source
