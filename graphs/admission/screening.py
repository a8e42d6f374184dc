"""The active node: the student says which candidates that passed the gate enter the corpus.

By threshold each candidate is judged at once. By choice (`accept: best`) candidates wait until a
batch is there, and the best of it are admitted. What the student has said lies in a journal, so a
run that was killed asks it nothing twice and comes to the same decisions.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from metasynth.config.active import CandidatesConfig
from metasynth.memory.journal import Journal
from metasynth.records.record import Record, StudentScore

from .gate import Verdict
from .threshold import FollowingThreshold, Limit
from .waiting import WaitingRoom

UNSCORED = "student_unscored"
_DIGITS = 6  # of a score: what is beyond differs from machine to machine


class Said(Protocol):
    """What a student says of a record: a score, high for hard, or the reason why there is none."""

    @property
    def score(self) -> float | None: ...
    @property
    def reason(self) -> str: ...


class Scorer(Protocol):
    """The student, loaded when it is first needed."""

    @property
    def criterion(self) -> str:
        """What it scores by."""
        ...

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def stage(self) -> str:
        """What it is doing now, for whoever watches; "" for nothing."""
        ...

    def use(self, load: Callable[[], Any], *, model: str) -> None:
        """Score with another student from now on; `load` gives it (a `LoadedLM`)."""
        ...

    async def prepare(self) -> None:
        """Load it now, so that one that cannot be loaded fails before anything is paid for."""
        ...

    async def score(self, record: Record) -> Said:
        """Score a record; those that wait at the same time are scored together.

        Raises:
            BudgetEndedError: A judge would have to be asked and may not be.
        """
        ...

    def best_first(self, scores: Mapping[str, float]) -> list[str]:
        """Ids by their scores, those first that are wanted most, in whatever order they come."""
        ...


class Opinion(NamedTuple):
    """What was said of a candidate, and what followed from it; `code` is "" where it passed."""

    id: str
    round: int
    score: float | None
    limit: float | None
    code: str
    detail: str


class Screen:
    """The active node's object of a run.

    Args:
        settings: Criterion, threshold or choice.
        scorer: The student.
        said: Journal of what it said.
        room: Where candidates wait, with `accept: best`.
        is_ours: Whether a record id is of this run's configuration.
    """

    def __init__(
        self,
        settings: CandidatesConfig,
        scorer: Scorer,
        said: Journal,
        *,
        room: WaitingRoom | None = None,
        is_ours: Callable[[str], bool] = lambda _id: True,
    ) -> None:
        self.settings = settings
        self.scorer = scorer
        self.room = room
        self.round = 0
        self._said = said
        self._threshold = FollowingThreshold(settings)
        self._one_at_a_time = asyncio.Lock()
        self._opinions: dict[tuple[str, str, int], Opinion] = {}
        for entry in said.entries():
            if is_ours(entry["id"]):
                text = entry.pop("text")
                self._learn(text, Opinion(**{"limit": None, "code": "", "detail": "", **entry}))
        self._follow()

    @property
    def stage(self) -> str:
        """What the student is doing, or how many candidates wait; "" for nothing."""
        if self.scorer.stage:
            return self.scorer.stage
        if self.room is None or not len(self.room):
            return ""
        return f"{len(self.room.unchosen)} of {self.settings.batch} candidates wait for a choice"

    @property
    def limit(self) -> Limit | None:
        """Which scores pass now, by threshold."""
        return self._threshold.limit if self.room is None else None

    def use(self, load: Callable[[], Any], *, model: str, round_: int) -> None:
        """Go on with another student, whose scores bear the number of its round.

        What it said in this round before a kill counts; the threshold follows its scores alone.
        """
        self.scorer.use(load, model=model)
        self.round = round_
        self._follow()

    def __contains__(self, id_: object) -> bool:
        """Whether a record with this id waits for a choice."""
        return self.room is not None and id_ in self.room

    def opinions(self) -> Iterator[Opinion]:
        """All that was said, the first first."""
        return iter(self._opinions.values())

    async def judge(self, record: Record) -> Verdict:
        """Score a candidate that passed the gate, and refuse it or not.

        What cannot be scored is refused. With `accept: best` all that has a score passes, to wait.

        Raises:
            BudgetEndedError: A judge would have to be asked and may not be.
        """
        text = _hash(record)
        opinion = self._opinions.get((record.id, text, self.round))
        if opinion is None:
            said = await self.scorer.score(record)
            async with self._one_at_a_time:  # the journal has the order in which it was decided
                opinion = self._formed(record.id, said)
                self._learn(text, opinion)
                if opinion.score is not None:
                    self._threshold.add(opinion.score)
                await asyncio.to_thread(self._said.append, self._entry(text, opinion))
        return Verdict(opinion.code, opinion.detail) if opinion.code else Verdict()

    def stamped(self, record: Record) -> Record:
        """The record with what the student said of it, if it said anything."""
        opinion = self._opinions.get((record.id, _hash(record), self.round))
        if opinion is None or opinion.score is None:
            return record
        score = StudentScore(
            criterion=self.settings.scoring.criterion,
            score=opinion.score,
            round=opinion.round,
            threshold=opinion.limit,
        )
        return record.model_copy(update={"student": score})

    def _formed(self, id_: str, said: Said) -> Opinion:
        if said.score is None:
            return Opinion(id_, self.round, None, None, UNSCORED, said.reason)
        score = round(said.score, _DIGITS)
        limit = self.limit
        refusal = self._threshold.refusal(score, limit)
        detail = f"{self.scorer.criterion} {refusal}" if refusal else ""
        code = self._threshold.code if refusal else ""
        value = round(limit.value, _DIGITS) if limit else None
        return Opinion(id_, self.round, score, value, code, detail)

    def _entry(self, text: str, opinion: Opinion) -> dict[str, Any]:
        told = {name: value for name, value in opinion._asdict().items() if value not in (None, "")}
        return {"id": opinion.id, "text": text, "score": None, **told}

    def _learn(self, text: str, opinion: Opinion) -> None:
        self._opinions[opinion.id, text, opinion.round] = opinion

    def _follow(self) -> None:
        self._threshold.clear()
        for opinion in self._opinions.values():
            if opinion.round == self.round and opinion.score is not None:
                self._threshold.add(opinion.score)


def _hash(record: Record) -> str:
    return hashlib.sha256(record.body.encode()).hexdigest()[:16]
