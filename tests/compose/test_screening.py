"""The active node in a run: what is refused before it starts, the student itself, and its judge."""

import asyncio
import json
import threading
from pathlib import Path

import pytest

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.active import CandidatesConfig
from metasynth.config.file import load_run_config
from metasynth.config.student import StudentConfig
from metasynth.errors import ConfigError
from metasynth.graphs.scoring.scorer import StudentScorer, row_of
from metasynth.graphs.scoring.students import Students
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import constant
from metasynth.lm.load import LoadedLM
from metasynth.memory.ledger import Ledger
from metasynth.records.record import Message, Record
from metasynth.student.rounds_folder import RoundsFolder
from metasynth.student.scoring.scores import score_rows
from tests.commands import FINANCE, corpus_of, metasynth
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.softsrv_runs import QuestionTeacher, softsrv_run
from tests.tiny_lm import save_tiny_lm

SCORING = "active.candidates.scoring.criterion"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A student with random weights."""
    return f"local:{save_tiny_lm(tmp_path_factory.mktemp('student') / 'tiny')}"


class TestPlan:
    @pytest.mark.parametrize(
        ("changes", "key", "code"),
        [
            ([f"{SCORING}=loss_self"], SCORING, "unfit_criterion"),
            ([f"{SCORING}=ifd"], SCORING, "unfit_criterion"),
            ([f"{SCORING}=learnable"], SCORING, "unfit_criterion"),
            ([f"{SCORING}=reward"], SCORING, "no_reward_model"),
            (["active.rounds=2"], "active.candidates", "missing_key"),
        ],
    )
    def test_a_criterion_that_does_not_fit_is_named_with_its_key(
        self, changes: list[str], key: str, code: str
    ) -> None:
        with raises(ConfigError, code) as caught:
            plan_run(load_run_config(FINANCE, changes))
        assert caught.value.message.startswith(f"{key}: ")
        assert "\n" not in caught.value.message

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"softsrv__answers__style": "none"}, "unfit_criterion"),
            ({"teacher__model": "embedded"}, "cannot_judge"),
            ({"active__candidates__scoring__criterion": "wrong"}, "no_checker"),
        ],
    )
    def test_what_a_criterion_needs_must_be_there(
        self, tmp_path: Path, changes: dict[str, object], code: str
    ) -> None:
        values: dict[str, object] = {
            "active__candidates__scoring__criterion": "judge",
            "softsrv__method": "unconditional",
        }
        _, path, _, *given = softsrv_run(tmp_path, "", **{**values, **changes})
        with raises(ConfigError, code):
            plan_run(load_run_config(Path(path), given[1::2]))

    def test_validate_tells_student_and_rule(self, capsys: pytest.CaptureFixture[str]) -> None:
        chosen = ("active.candidates.accept=best", "active.candidates.batch=6")
        for change, rule in (
            ("active.candidates.quantile=0.4", "threshold at quantile 0.4 of the last 64 scores"),
            ("active.candidates.direction=low", "(low)"),
            (chosen[0], "the 4 best of 8 (high)"),
        ):
            assert metasynth("validate", FINANCE, "--set", change) == 0
            lines = capsys.readouterr().out
            assert "  student    embedded" in lines
            assert "  candidates loss_gold, " in lines
            assert rule in lines

    def test_the_device_and_the_batches_are_no_part_of_the_identity(self) -> None:
        def identity(*changes: str) -> str:
            given = ["active.candidates.accept=threshold", *changes]
            return plan_run(load_run_config(FINANCE, given)).identity

        assert identity() == identity("student.device=cpu")
        assert identity() == identity("active.candidates.scoring.tokens_per_batch=128")
        assert identity() != identity("active.candidates.quantile=0.3")
        assert identity() != identity("student.model=local:other")


def students_of(model: str) -> Students:
    return Students(StudentConfig(model=model), RoundsFolder(Path("no-rounds")))


class Held(Students):
    """A student that is loaded when `opening` is set, and not before."""

    def __init__(self, model: str, opening: threading.Event) -> None:
        super().__init__(StudentConfig(model=model), RoundsFolder(Path("no-rounds")))
        self._opening = opening

    def in_use(self) -> LoadedLM:
        self._opening.wait()
        return super().in_use()


class TestStudent:
    def test_a_document_is_a_text_and_an_instruction_a_conversation(self) -> None:
        turns = [Message(role="user", content="1+1?"), Message(role="assistant", content="2")]
        text, talk = row_of(Record(id="a", text="one")), row_of(Record(id="b", messages=turns))
        assert (text.id, text.text, text.messages) == ("a", "one", ())
        assert (talk.id, talk.text, talk.answer) == ("b", None, "2")

    async def test_it_is_loaded_once_and_scores_together_what_waits_together(
        self, tiny: str
    ) -> None:
        opening, settings = threading.Event(), CandidatesConfig()
        students = Held(tiny, opening)
        scorer = StudentScorer(settings, students, seed=0)
        records = [Record(id=f"r{n}", text="so it goes " * (n + 1)) for n in range(6)]
        records.append(Record(id="bad", text=" "))
        first = asyncio.gather(*map(scorer.score, records))
        opening.set()
        found = await first
        assert scorer.stage == ""
        lm = students.in_use()
        assert lm is students.in_use()
        expected = [
            scored async for scored in score_rows(lm, map(row_of, records), settings.scoring)
        ]
        assert [one.row_id for one in found] == [one.id for one in records]
        assert [one.score for one in found[:-1]] == pytest.approx(
            [one.score for one in expected[:-1]], abs=1e-5
        )
        assert (found[-1].score, found[-1].reason) == (None, "empty text")

    async def test_one_that_gives_up_waiting_leaves_the_others_their_scores(
        self, tiny: str
    ) -> None:
        scorer = StudentScorer(CandidatesConfig(), students_of(tiny), seed=0)
        tasks = [
            asyncio.ensure_future(scorer.score(Record(id=f"r{n}", text=f"so it goes {n}")))
            for n in range(4)
        ]
        await asyncio.sleep(0)
        for number in (0, 2):
            tasks[number].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [
            True,
            False,
            True,
            False,
        ]

    @pytest.mark.parametrize(("direction", "first"), [("high", "c"), ("low", "a"), ("middle", "b")])
    def test_the_best_come_first_by_the_direction(self, direction: str, first: str) -> None:
        settings = CandidatesConfig.model_validate({"direction": direction})
        scorer = StudentScorer(settings, students_of("local:no-model"), seed=0)
        given = {"a": 0.1, "c": 0.9, "b": 0.4}
        ordered = scorer.best_first(given)
        assert ordered[0] == first
        assert ordered == scorer.best_first(dict(sorted(given.items())))


async def judged_run(folder: Path, base_url: str, tiny: str, **values: object) -> int:
    """A run of softsrv whose candidates the teacher judges; how many records were accepted."""
    given: dict[str, object] = {
        "softsrv__method": "template_single",
        "softsrv__sampling__count": 12,
        "softsrv__postprocess__keep": 10,
        "softsrv__postprocess__clusters": 1,
        "student__model": tiny,
        "active__candidates__scoring__criterion": "judge",
        "active__candidates__scoring__max_new_tokens": 4,
        "active__candidates__warmup": 2,
        "budget__records": 4,
        "concurrency": 1,
    }
    _, path, _, *changes = softsrv_run(folder, base_url, **{**given, **values})
    plan = plan_run(load_run_config(Path(path), changes[1::2]))
    async with open_run(plan, folder / "run") as workspace:
        graph = softsrv_graph(constant(workspace)).compile()
        ended = await graph.ainvoke({"chains": plan.config.concurrency})
        if values.get("budget__calls"):
            assert str(ended["stopped_because"]).startswith("budget.calls")
        return int(ended["accepted"])


async def test_the_judge_is_asked_through_the_ledger_and_counts_towards_the_budget(
    tmp_path: Path, tiny: str
) -> None:
    teacher = QuestionTeacher()

    def respond(request: dict[str, object]) -> Reply:
        asked = json.dumps(request["messages"])
        if "Grade an answer" in asked:
            return Reply(content=f"It is short.\nGrade: {1 + len(asked) % 9}")
        return teacher(request)

    with OpenAIServer(respond) as server:
        # 12 questions, then an answer and a grade of each
        assert await judged_run(tmp_path, server.base_url, tiny, budget__calls=17) <= 3
        assert await judged_run(tmp_path, server.base_url, tiny) == 4
    with Ledger(tmp_path / "run" / "ledger.sqlite") as ledger:
        graded = ledger.totals_by_agent()["judge"].calls
    records = corpus_of(tmp_path / "run")
    assert graded >= len(records) == 4
    for record in records:
        assert record.student is not None
        assert record.student.criterion == "judge"
        assert -10 <= record.student.score <= -1  # oriented: a bad grade is a high score
        assert record.generation.calls == 2
