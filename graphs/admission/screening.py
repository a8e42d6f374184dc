"""The active node: the student says which candidates that passed the gate enter the corpus.

By threshold each candidate is judged at once. By choice (`accept: best`) candidates wait until a
batch is there, and the best of it are admitted. What the student has said lies in a journal, so a
run that was killed asks it nothing twice and comes to the same decisions.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.config.active import CandidatesConfig
from metasynth.graphs.scoring.scorer import StudentScorer
from metasynth.memory.corpus import Corpus
from metasynth.memory.journal import Journal
from metasynth.records.record import Record, StudentScore

from .draft import Verdict
from .threshold import FollowingThreshold, Limit
from .waiting import NoRoom, WaitingRoom

if TYPE_CHECKING:
    from metasynth.student.scoring.measures import Scored

UNSCORED = "student_unscored"
_DIGITS = 6  # of a score: what is beyond differs from machine to machine


class Opinion(NamedTuple):
    """What was said of a candidate, and what followed from it; `code` is "" where it passed."""

    id: str
    round: int
    score: float | None
    limit: float | None
    code: str
    detail: str


class NoScreen:
    """The part of a student that has no say: all pass, and none has a score.

    Attributes:
        has_say: Whether it has to be asked.
        room: Where candidates wait for a choice.
        batch: Of so many candidates a choice takes
        keep: so many.
        past: What records pass with it, in the words of a stall.
    """

    has_say = False
    room: NoRoom = NoRoom()
    batch = 1
    keep = 1
    past = "the gate"
    stage = ""

    def __contains__(self, id_: object) -> bool:
        """Whether a record with this id waits for a choice."""
        return id_ in self.room

    async def prepare(self) -> None:
        """Load the student now, so that one that cannot be loaded fails before anything is paid."""

    async def judge(self, record: Record) -> Verdict:  # noqa: ARG002 - see `Screen`
        """It passes."""
        return Verdict()

    def stamped(self, record: Record) -> Record:
        """The record as it is."""
        return record


class Screen(NoScreen):
    """The active node's object of a run.

    Args:
        settings: Criterion, threshold or choice.
        scorer: The student.
        said: Journal of what it said.
        room: Where candidates wait, with `accept: best`.
        is_ours: Whether a record id is of this run's configuration.
    """

    has_say = True

    def __init__(
        self,
        settings: CandidatesConfig,
        scorer: StudentScorer,
        said: Journal,
        *,
        room: WaitingRoom | None = None,
        is_ours: Callable[[str], bool] = lambda _id: True,
    ) -> None:
        self.settings = settings
        self.scorer = scorer
        self.room = NoRoom() if room is None else room  # an empty one is falsy
        self.batch = settings.batch if self.room.chooses else 1
        self.keep = settings.keep if self.room.chooses else 1
        self._said = said
        # the scores of another round's student are no measure
        self._thresholds = defaultdict[int, FollowingThreshold](
            lambda: FollowingThreshold(settings)
        )
        self._one_at_a_time = asyncio.Lock()
        self._opinions: dict[tuple[str, str, int], Opinion] = {}
        for entry in said.entries():
            if is_ours(entry["id"]):
                text = entry.pop("text")
                self._learn(text, Opinion(**{"limit": None, "code": "", "detail": "", **entry}))

    @property
    def stage(self) -> str:  # type: ignore[override]
        """What the student is doing, or how many candidates wait; "" for nothing."""
        if self.scorer.stage:
            return self.scorer.stage
        if not isinstance(self.room, WaitingRoom) or not len(self.room):
            return ""
        return f"{len(self.room.unchosen)} of {self.settings.batch} candidates wait for a choice"

    @property
    def round(self) -> int:
        """The round of the student in use, which its scores bear; 0 in a run without rounds."""
        return self.scorer.round

    @property
    def limit(self) -> Limit | None:
        """Which scores pass now, by threshold."""
        return None if self.room.chooses else self._threshold.limit

    async def prepare(self) -> None:
        """Load the student now, so that one that cannot be loaded fails before anything is paid."""
        await self.scorer.prepare()

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

    @property
    def _threshold(self) -> FollowingThreshold:
        return self._thresholds[self.round]

    def _formed(self, id_: str, scored: "Scored") -> Opinion:
        if scored.score is None:
            return Opinion(id_, self.round, None, None, UNSCORED, scored.reason)
        score = round(scored.score, _DIGITS)
        limit = self.limit
        refusal = self._threshold.refusal(score, limit)
        detail = f"{self.scorer.criterion} {refusal}" if refusal else ""
        code = self._threshold.code if refusal else ""
        value = round(limit.value, _DIGITS) if limit else None
        return Opinion(id_, self.round, score, value, code, detail)

    def _entry(self, text: str, opinion: Opinion) -> dict[str, Any]:
        fields = {
            name: value for name, value in opinion._asdict().items() if value not in (None, "")
        }
        return {"id": opinion.id, "text": text, "score": None, **fields}

    def _learn(self, text: str, opinion: Opinion) -> None:
        self._opinions[opinion.id, text, opinion.round] = opinion
        if opinion.score is not None:
            self._thresholds[opinion.round].add(opinion.score)


def _hash(record: Record) -> str:
    return hashlib.sha256(record.body.encode()).hexdigest()[:16]


def open_screen(
    settings: CandidatesConfig,
    scorer: StudentScorer,
    folder: Path,
    stack: ExitStack,
    *,
    corpus: Corpus,
    is_ours: Callable[[str], bool],
) -> Screen:
    """The student's say in a run; its model is not loaded yet.

    Args:
        folder: RUN/student.
        stack: What is opened is closed with it.
        is_ours: Whether a record id is of this run's configuration.

    Raises:
        RequestError: The journals cannot be written.
        MetaSynthError: A journal is damaged.
    """
    room = None
    if settings.accept == "best":
        room = WaitingRoom(
            stack.enter_context(Journal(folder / "held.jsonl")),
            stack.enter_context(Journal(folder / "choices.jsonl")),
            ended=corpus.__contains__,
        )
    opinions = stack.enter_context(Journal(folder / "scores.jsonl"))
    return Screen(settings, scorer, opinions, room=room, is_ours=is_ours)
