"""The active node of a run: a student that scores candidates, and the journals of its say."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage

from metasynth.config.active import CandidatesConfig
from metasynth.config.student import SelectionConfig
from metasynth.errors import PromptError
from metasynth.graphs.admission.screening import Screen
from metasynth.graphs.admission.waiting import WaitingRoom
from metasynth.graphs.workspace import Workspace
from metasynth.lm.weights import load_weights
from metasynth.memory.journal import Journal
from metasynth.records.record import Record

from .plan import ScreeningPlan
from .student import reward_loader

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.rows import StudentRow
    from metasynth.student.scoring.checking import Checker
    from metasynth.student.scoring.judging import AskJudge
    from metasynth.student.scoring.measures import Scored
    from metasynth.student.scoring.reward import RewardModel

_CHAIN = "student"
_JUDGE = "judge"


def attach_screening(
    plan: ScreeningPlan, folder: Path, workspace: Workspace, stack: ExitStack
) -> None:
    """Give the workspace the student's say; nothing is loaded yet.

    Args:
        folder: RUN/student.
        stack: What is opened is closed with it.

    Raises:
        RequestError: The journals cannot be written.
        MetaSynthError: A journal is damaged.
    """
    from metasynth.student.scoring.checking import make_checker
    from metasynth.student.scoring.criteria import CRITERIA

    settings, config = plan.settings, workspace.config
    needs = CRITERIA[settings.scoring.criterion].needs
    scorer = StudentScorer(
        settings,
        lambda: load_weights(plan.student),
        model=plan.student.model,
        seed=config.random_seed,
        ask=ask_teacher(workspace) if "judge" in needs else None,
        checker=make_checker(config.checker) if "checker" in needs and config.checker else None,
        reward=reward_loader(settings.scoring, plan.student),
    )
    room = None
    if settings.accept == "best":
        room = WaitingRoom(
            stack.enter_context(Journal(folder / "held.jsonl")),
            stack.enter_context(Journal(folder / "choices.jsonl")),
            ended=workspace.corpus.__contains__,
        )
    workspace.screen = Screen(
        settings,
        scorer,
        stack.enter_context(Journal(folder / "scores.jsonl")),
        room=room,
        is_ours=lambda id_: id_.startswith(workspace.record_id("", 0)[:6]),
    )


class StudentScorer:
    """`metasynth.graphs.Scorer`: one forward pass for all candidates that wait at a moment.

    Args:
        settings: The section of the run file.
        load: Gives the student; blocks.
        model: Its name.
        seed: Of everything that is drawn.
        ask: The judge, where the criterion needs one.
        checker: Likewise.
        reward: Gives the reward model, where the criterion needs one; blocks.
    """

    def __init__(
        self,
        settings: CandidatesConfig,
        load: "Callable[[], LoadedLM]",
        *,
        model: str,
        seed: int,
        ask: "AskJudge | None" = None,
        checker: "Checker | None" = None,
        reward: "Callable[[], RewardModel] | None" = None,
    ) -> None:
        self._settings = settings
        self._load = load
        self._seed = seed
        self._ask = ask
        self._checker = checker
        self._reward = reward
        self._lm: LoadedLM | None = None
        self._waiting: list[_Waiting] = []
        self._one_at_a_time = asyncio.Lock()
        self.criterion: str = settings.scoring.criterion
        self.model = model
        self.stage = ""

    def use(self, load: Callable[[], Any], *, model: str) -> None:
        """See `Scorer.use`."""
        self._load, self._lm, self.model = load, None, model

    async def prepare(self) -> None:
        """See `Scorer.prepare`."""
        async with self._one_at_a_time:
            await self._student()
            await self._reward_model()

    async def score(self, record: Record) -> "Scored":
        """See `Scorer.score`."""
        mine = _Waiting(row_of(record))
        self._waiting.append(mine)
        try:
            async with self._one_at_a_time:
                if mine.found is None:  # else it was scored together with the one before it
                    await self._score(list(self._waiting))
        finally:
            self._waiting.remove(mine)
        assert mine.found is not None
        return mine.found

    def best_first(self, scores: Mapping[str, float]) -> list[str]:
        """See `Scorer.best_first`."""
        from metasynth.student.selection.selection import select

        ids = list(scores)
        wanted = SelectionConfig(strategy="top", direction=self._settings.direction)
        values = [scores[id_] for id_ in ids]
        return select(ids, len(ids), wanted, scores=values, rng_seed=self._seed)

    async def _score(self, waiting: "list[_Waiting]") -> None:
        from metasynth.student.scoring.scores import score_rows

        found = score_rows(
            await self._student(),
            [one.row for one in waiting],
            self._settings.scoring,
            ask=self._ask,
            checker=self._checker,
            reward=await self._reward_model(),
            seed=self._seed,
        )
        async with aclosing(found):
            number = 0
            async for scored in found:
                waiting[number].found = scored
                number += 1

    async def _reward_model(self) -> "RewardModel | None":
        return await asyncio.to_thread(self._reward) if self._reward else None

    async def _student(self) -> "LoadedLM":
        if self._lm is None:
            self.stage = f"loading {self.model}"
            try:
                self._lm = await asyncio.to_thread(self._load)
            finally:
                self.stage = ""
        return self._lm


class _Waiting:
    """A row that is to be scored, and what came of it."""

    def __init__(self, row: "StudentRow") -> None:
        self.row = row
        self.found: Scored | None = None


def row_of(record: Record) -> "StudentRow":
    """A record as the student reads it: a document is a text, an instruction a conversation."""
    from metasynth.student.rows import StudentRow

    if record.messages is not None:
        return StudentRow(record.id, messages=tuple(record.messages))
    return StudentRow(record.id, text=record.text or "")


def ask_teacher(workspace: Workspace) -> "AskJudge":
    """The teacher as the judge of the student's answers: its calls are in the ledger."""

    async def ask(prompt: str, *, step: str, temperature: float) -> str:
        from metasynth.student.rows import BadRowError

        try:
            reply = await workspace.caller.call(
                workspace.voices.experts,
                [HumanMessage(prompt)],
                chain=_CHAIN,
                step=step,
                agent=_JUDGE,
                record_id=step.split()[1],  # "judge ID 0", "lion ID a 1", "teacher ID"
                settings={"temperature": temperature},
            )
        except PromptError as error:
            raise BadRowError(f"the judge: {error.message}") from error
        return str(reply.text)

    return ask
