"""What workers ask of the round in work: requests, seeds, lineage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metasynth.agents.templates import render_template
from metasynth.graphs.run.questions import Request
from metasynth.graphs.scoring.scorer import row_of
from metasynth.graphs.softsrv.sampler import told_hit
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record, StudentScore
from metasynth.records.seeds import Seed
from metasynth.student.rounds_folder import place_of

from .plan import ActivePlan, as_conversation, problem_of
from .selection import Selected

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow

    from .sampling import RoundSampling

_EMBEDDED = "embedded"


class RowsOfRound:
    """The half of `metasynth.graphs.Rounds` that answers at once.

    Args:
        plan: What the run file says.
        workspace: The run's.
        sampling: SoftSRV, where it makes the questions.
    """

    def __init__(
        self, plan: ActivePlan, workspace: Workspace, sampling: "RoundSampling | None"
    ) -> None:
        assert plan.settings.pool is not None
        self._plan = plan
        self._pool = plan.settings.pool
        self._workspace = workspace
        self._sampling = sampling
        self._rows = {row.id: row for row in plan.pool.rows}
        self._number = 0
        self._stage = ""
        self._selected: list[Selected] = []

    @property
    def number(self) -> int:
        """The round in work."""
        return self._number

    @property
    def chain(self) -> str:
        """The name of its records' chain."""
        return f"r{self._number:02d}"

    @property
    def method(self) -> str:
        """What records have as their source."""
        return self._plan.settings.generate

    @property
    def models(self) -> Mapping[str, str]:
        """The frozen model, where it makes the questions."""
        return {"softsrv": self._sampling.model} if self._sampling is not None else {}

    @property
    def asks(self) -> bool:
        """Whether a teacher is asked for each row."""
        return self.method == "teacher"

    @property
    def conducts(self) -> bool:
        """Whether a conductor writes the rows."""
        return self.method == "conductor"

    @property
    def stage(self) -> str:
        """What is being done now."""
        own = f"round {self._number}: {self._stage}" if self._stage else ""
        return own or (self._sampling.stage if self._sampling is not None else "")

    def request(self, place: int) -> Request:
        """See `Rounds.request`."""
        asking, seed = self._plan.settings.teacher, self._seed(place)
        mark = asking.solution_mark
        solution = seed.answer.strip() if seed.is_answered else ""
        bare = solution.removeprefix(mark).strip()
        if self._workspace.voices.experts.name == _EMBEDDED:
            prompt = f"{problem_of(seed)} {mark} {bare}" if bare else problem_of(seed)
        else:
            prompt = render_template(asking.prompt, {"problem": problem_of(seed), "solution": bare})
        keeps = solution.startswith(mark)
        return Request(prompt, asking.problem_mark, mark, keeps, asking.temperature)

    def chain_of(self, place: int) -> str:
        """See `Rounds.chain_of`."""
        return f"{self.chain}s{place:03d}"

    def seed_of(self, chain: str) -> Seed:
        """See `Rounds.seed_of`."""
        row = self._seed(int(chain.partition("s")[2]))
        text = f"{problem_of(row)}\n\n{row.answer}" if row.is_answered else problem_of(row)
        return Seed(id=row.id, text=text)

    def of_seed(self, record: Record) -> Record:
        """See `Rounds.of_seed`."""
        found = place_of(record.id)
        if found is None or found[0] != self._number:
            return record
        selected = self._selected[found[1] - 1]
        seeds = list(selected.seed_ids)
        sampled = self._sampling is not None
        update: dict[str, Any] = {"seed_ids": seeds, "parent_ids": seeds if sampled else []}
        if selected.score is not None:
            update["seed_score"] = StudentScore(
                criterion=self._pool.scoring.criterion,
                score=round(selected.score, 6),
                round=self._number,
            )
        return record.model_copy(update=update)

    def fault(self, place: int) -> str:
        """See `Rounds.fault`."""
        return self._sampling.fault(place) if self._sampling is not None else ""

    def answer_prompt(self, question: str) -> str | None:
        """See `AnswerSource.answer_prompt`."""
        return self._sampling.answer_prompt(question) if self._sampling is not None else None

    def contaminated(self, text: str) -> str:
        """See `AnswerSource.contaminated`."""
        return told_hit(self._plan.contamination, text)

    def _id(self, place: int) -> str:
        if self.conducts:
            return self._workspace.record_id(self.chain_of(place), 1)
        return self._workspace.record_id(self.chain, place)

    def _seed(self, place: int) -> "StudentRow":
        return self._rows[self._selected[place - 1].seed_ids[0]]

    def _text(self, selected: Selected) -> str:
        """For whoever asks what a record was written from."""
        return "\n\n".join(problem_of(self._rows[id_]) for id_ in selected.seed_ids)

    def _row(self, record: Record) -> "StudentRow":
        return as_conversation(row_of(record), self._plan.settings.teacher.solution_mark)
