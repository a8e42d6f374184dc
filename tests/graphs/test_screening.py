"""The active node: thresholds, choices, the quota with candidates that wait, and going on."""

import asyncio
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.active import CandidatesConfig
from metasynth.config.file import load_run_config
from metasynth.graphs.admission.draft import Draft
from metasynth.graphs.admission.screening import Screen
from metasynth.graphs.admission.threshold import FollowingThreshold
from metasynth.graphs.admission.waiting import Candidate, Choice, WaitingRoom
from metasynth.graphs.run.budget import Quota
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import constant
from metasynth.memory.journal import Journal
from metasynth.records.record import Record, StudentScore
from metasynth.softsrv.manifest import read_manifest
from tests.openai_server import OpenAIServer
from tests.prose import prose
from tests.screened_runs import TEMPLATE, Score, Student, screened, told
from tests.softsrv_runs import QuestionTeacher, put_candidates, question, softsrv_run
from tests.teacher import Teacher

Opened = Callable[[str], Journal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Journals by name; a second one on the same file stands for the next start."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(Journal(tmp_path / f"{name}.jsonl"))


def following(scores: Sequence[float], **values: Any) -> FollowingThreshold:
    made = FollowingThreshold(CandidatesConfig.model_validate({"warmup": 2, **values}))
    for score in scores:
        made.add(score)
    return made


class TestThreshold:
    def test_nothing_is_refused_in_the_warm_up(self) -> None:
        threshold = following([5.0, 6.0], warmup=3)
        assert threshold.limit is None
        assert threshold.refusal(-100.0, threshold.limit) == ""

    def test_high_refuses_below_the_quantile_and_lets_equals_pass(self) -> None:
        threshold = following([1.0, 2.0, 3.0, 4.0, 5.0], quantile=0.25)
        assert threshold.limit is not None
        assert threshold.limit.value == 2.0
        assert threshold.refusal(2.0, threshold.limit) == ""
        said = threshold.refusal(1.9994, threshold.limit)
        assert said == "1.999 below 2.000 (quantile 0.25 of the last 5)"
        assert threshold.code == "student_easy"

    def test_low_refuses_above_the_quantile_from_the_other_end(self) -> None:
        threshold = following([1.0, 2.0, 3.0, 4.0, 5.0], quantile=0.25, direction="low")
        assert threshold.refusal(4.0, threshold.limit) == ""
        said = threshold.refusal(4.5, threshold.limit)
        assert said == "4.500 above 4.000 (quantile 0.75 of the last 5)"
        assert threshold.code == "student_hard"

    def test_middle_refuses_what_is_far_from_the_median_on_either_side(self) -> None:
        threshold = following([1.0, 2.0, 3.0, 4.0, 5.0], quantile=0.5, direction="middle")
        assert threshold.limit is not None
        assert (threshold.limit.value, threshold.limit.centre) == (1.0, 3.0)
        assert [bool(threshold.refusal(s, threshold.limit)) for s in (1.9, 2, 3, 4, 4.1)] == [
            True,
            False,
            False,
            False,
            True,
        ]
        assert "from the median 3.000, more than 1.000" in threshold.refusal(9.0, threshold.limit)
        assert threshold.code == "student_apart"

    def test_only_the_last_scores_of_the_window_count(self) -> None:
        threshold = following([0.0] * 50 + [10.0] * 4, window=4, quantile=0.5)
        assert threshold.limit is not None
        assert (threshold.limit.value, threshold.limit.of) == (10.0, 4)

    @pytest.mark.parametrize("direction", ["high", "low", "middle"])
    @pytest.mark.parametrize("drift", [0.0, 0.03, -0.03])
    def test_the_share_of_refusals_follows_drifting_scores(
        self, direction: str, drift: float
    ) -> None:
        rng = np.random.default_rng(3)
        threshold = following([], quantile=0.3, window=64, warmup=8, direction=direction)
        refused = 0
        for number in range(2000):
            score = float(rng.normal() + drift * number)
            refused += bool(threshold.refusal(score, threshold.limit))
            threshold.add(score)
        assert 0.05 < refused / 2000 < 0.85
        if not drift:
            assert abs(refused / 2000 - 0.3) < 0.04


async def candidate(
    quota: Quota, room: list[int], outcomes: list[str], steps: list[int], batch: int, keep: int
) -> None:
    """A chain that holds, or rejects, what it writes; a full batch is decided by who fills it."""
    while await quota.take():
        for _ in range(steps.pop() if steps else 0):
            await asyncio.sleep(0)
        if (outcomes.pop() if outcomes else "held") == "rejected":
            await quota.finish(accepted=False)
            continue
        await quota.hold()
        room.append(1)
        while 0 < (due := min(batch, quota.wanted)) <= len(room):
            del room[:due]
            taken = min(-(-due * keep // batch), quota.left)
            for place in range(due):
                await quota.decide(accepted=place < taken)


class TestQuota:
    @settings(max_examples=150, deadline=None)
    @given(
        goal=st.integers(1, 12),
        before=st.integers(0, 13),
        shares=st.tuples(st.integers(1, 7), st.integers(1, 7)),
        chains=st.integers(1, 9),
        outcomes=st.lists(st.sampled_from(["held", "rejected"]), max_size=40),
        steps=st.lists(st.integers(0, 5), max_size=60),
    )
    def test_with_choices_the_goal_is_met_and_never_passed(
        self,
        goal: int,
        before: int,
        shares: tuple[int, int],
        chains: int,
        outcomes: list[str],
        steps: list[int],
    ) -> None:
        keep, batch = sorted(shares)
        room: list[int] = []

        async def run() -> Quota:
            quota = Quota(goal, accepted=before, stall_after=10_000, batch=batch, keep=keep)
            work = (candidate(quota, room, outcomes, steps, batch, keep) for _ in range(chains))
            await asyncio.wait_for(asyncio.gather(*work), timeout=60)
            return quota

        quota = asyncio.run(run())
        assert quota.stopped_because is None
        assert quota.left == min(0, goal - before)
        assert room == []  # no candidate was written for nothing

    async def test_no_more_candidates_are_begun_than_a_choice_needs(self) -> None:
        quota = Quota(3, accepted=1, stall_after=9, held=1, batch=4, keep=2)
        for _ in range(3):  # with the one that waits: 2 records are missing, of 4 candidates
            assert await quota.take()
        waiting = asyncio.ensure_future(quota.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        await quota.finish(accepted=False)
        assert await waiting

    async def test_one_that_waits_breaks_a_row_of_rejections(self) -> None:
        quota = Quota(9, accepted=0, stall_after=2, batch=4, keep=1)
        for held in (False, True, False):
            assert await quota.take()
            await (quota.hold() if held else quota.finish(accepted=False))
        assert quota.stopped_because is None
        await quota.decide(accepted=False)  # not to be the best says nothing of the gate
        assert quota.stopped_because is None
        assert await quota.take()
        await quota.finish(accepted=False)
        assert str(quota.stopped_because).startswith("stalled: 2 records in a row")


def record(number: int) -> Record:
    return Record(id=f"r{number}", text=f"text {number}")


def candidate_of(number: int) -> Candidate:
    student = StudentScore(criterion="loss_gold", score=number / 10, round=0)
    scored = record(number).model_copy(update={"student": student})
    draft = Draft(text=scored.body, summary="a text", topic="", seed_set=("a", "b"))
    return Candidate(scored, draft)


class TestWaitingRoom:
    async def test_those_that_wait_and_choices_not_carried_out_survive(
        self, opened: Opened
    ) -> None:
        ended: set[str] = set()

        def room() -> WaitingRoom:
            return WaitingRoom(opened("held"), opened("choices"), ended=ended.__contains__)

        first = room()
        for number in range(5):
            await first.add(candidate_of(number))
        choice = await first.choose(["r2", "r1", "r0"], keep=2)
        assert choice == Choice(("r2", "r1", "r0"), 2)
        assert [each.id for each in first.unchosen] == ["r3", "r4"]
        ended.add("r2")

        again = room()
        assert [each.id for each in again] == ["r0", "r1", "r3", "r4"]
        assert again.unfinished == [choice]
        assert [each.id for each in again.unchosen] == ["r3", "r4"]
        assert "r2" not in again
        assert again.find("r1") == candidate_of(1)
        for id_ in ("r1", "r0"):
            again.leave(id_)
        assert again.unfinished == []
        assert len(again) == 2


def screen(journal: Journal, student: Student, **values: Any) -> Screen:
    settings = CandidatesConfig.model_validate({"warmup": 2, "quantile": 0.5, **values})
    return Screen(settings, student, journal)


def by_number(each: Record) -> Score:
    return Score(float(each.body.split()[-1]))


class TestScreen:
    async def test_what_was_said_is_not_asked_again_and_decides_the_same(
        self, opened: Opened
    ) -> None:
        student = Student(by_number)
        first = screen(opened("scores"), student)
        verdicts = [await first.judge(record(number)) for number in (5, 6, 7, 1)]
        assert [verdict.code for verdict in verdicts] == [None, None, None, "student_easy"]
        limit = first.limit
        again = screen(opened("scores"), Student())
        assert again.limit == limit
        assert [await again.judge(record(number)) for number in (5, 6, 7, 1)] == verdicts
        assert again.limit == limit  # not counted twice
        assert again.stamped(record(1)).student == first.stamped(record(1)).student
        assert student.scored == ["r5", "r6", "r7", "r1"]

    async def test_another_text_of_the_same_record_is_another_candidate(
        self, opened: Opened
    ) -> None:
        student = Student(by_number)
        made = screen(opened("scores"), student)
        for text in ("text 5", "text 6", "text 1"):
            await made.judge(Record(id="r", text=text))
        assert student.scored == ["r", "r", "r"]
        stamped = made.stamped(Record(id="r", text="text 1")).student
        assert stamped == StudentScore(criterion="loss_gold", score=1.0, round=0, threshold=5.5)
        assert made.stamped(Record(id="r", text="text 2")).student is None

    async def test_what_cannot_be_scored_is_refused_with_its_reason_and_no_score(
        self, opened: Opened
    ) -> None:
        made = screen(opened("scores"), Student(lambda _: Score(None, "longer than the context")))
        for _ in range(2):
            verdict = await made.judge(record(1))
            assert verdict.reason == "student_unscored: longer than the context"
        assert made.stamped(record(1)).student is None
        assert [one.score for one in made.opinions()] == [None]
        assert made.limit is None

    async def test_another_student_has_a_round_and_a_threshold_of_its_own(
        self, opened: Opened
    ) -> None:
        student = Student(by_number)
        made = screen(opened("scores"), student)
        for number in (5, 6, 7):
            await made.judge(record(number))
        student.say = lambda each: Score(-float(each.body.split()[-1]))
        student.students.round = 1
        assert made.limit is None
        assert (await made.judge(record(7))).passed
        stamped = made.stamped(record(7)).student
        assert stamped is not None
        assert (stamped.score, stamped.round) == (-7.0, 1)
        student = Student()
        student.students.round = 1
        again = screen(opened("scores"), student)
        assert (await again.judge(record(7))).passed
        assert again.stamped(record(7)).student == stamped

    async def test_scores_of_another_configuration_are_no_measure(self, opened: Opened) -> None:
        made = screen(opened("scores"), Student(by_number))
        for number in (5, 6, 7):
            await made.judge(record(number))
        settings = CandidatesConfig(warmup=2)
        other = Screen(
            settings, Student(), opened("scores"), is_ours=lambda id_: id_.startswith("s")
        )
        assert other.limit is None
        assert not list(other.opinions())


async def test_by_threshold_refused_candidates_end_with_their_reason(tmp_path: Path) -> None:
    said: dict[str, float] = {}

    def say(each: Record) -> Score:
        """Every second one is easy once the threshold is there, whoever writes it."""
        said[each.id] = 0.1 if len(said) > 2 and len(said) % 2 else 0.5 + len(said) / 100
        return Score(said[each.id])

    student = Student(say)
    values = {**TEMPLATE, **told(accept="threshold", quantile=0.4, warmup=3)}
    with OpenAIServer(Teacher()) as server:
        workspace, ended = await screened(
            tmp_path, server.base_url, student, concurrency=4, **values
        )
    assert (ended["accepted"], student.prepared) == (8, 1)
    refused = list(workspace.corpus.rejected_records())
    assert refused
    for each in (*workspace.corpus.records(), *refused):
        assert each.student is not None
        assert each.student.score == said[each.id]
        limit = each.student.threshold
        assert (limit is not None and each.student.score < limit) == (each.reason is not None)
    for each in refused:
        assert str(each.reason).startswith("student_easy: loss_gold 0.")
        assert each.refusals == ["student_easy"]
    assert sorted(student.scored) == sorted(
        each.id for each in (*workspace.corpus.records(), *refused)
    )


async def test_by_choice_the_best_of_each_batch_are_admitted(tmp_path: Path) -> None:
    student = Student()
    values = {**TEMPLATE, **told(accept="best", batch=4, keep=2)}
    with OpenAIServer(Teacher()) as server:
        workspace, ended = await screened(
            tmp_path, server.base_url, student, concurrency=8, budget__records=7, **values
        )
    assert ended["stopped_because"] == "budget.records: all records are written"
    assert (ended["accepted"], ended["rejected"], len(student.scored)) == (7, 7, 14)
    everyone = [*workspace.corpus.records(), *workspace.corpus.rejected_records()]
    with closing(Journal(tmp_path / "student" / "choices.jsonl")) as choices:
        entries = list(choices.entries())
    assert [(len(entry["ids"]), entry["keep"]) for entry in entries] == [(4, 2)] * 3 + [(2, 1)]
    scores = {each.id: each.student.score for each in everyone if each.student}
    for entry in entries:
        ordered = sorted(entry["ids"], key=lambda id_: -scores[id_])
        assert ordered == entry["ids"]
        for place, id_ in enumerate(ordered, start=1):
            found = workspace.corpus.find(id_)
            assert found is not None
            assert found.student is not None
            assert (found.student.place, found.student.batch) == (place, len(ordered))
            assert (found.reason is None) == (place <= entry["keep"])
    reasons = [str(each.reason) for each in workspace.corpus.rejected_records()]
    pattern = r"^student: loss_gold 0\.\d{3}, place \d of [24], [12] are taken$"
    assert all(re.match(pattern, reason) for reason in reasons)


async def test_one_that_is_not_new_any_more_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    """Two candidates that say the same: the gate lets both wait, admission takes the better one."""
    values = {**TEMPLATE, "gate__min_distance": 0.02, **told(accept="best", batch=3, keep=2)}
    loan, rate = (prose([], 60, random.Random(number)) for number in (1, 2))
    student = Student(lambda each: Score(0.9 if each.body == loan else 0.1))
    with OpenAIServer(Teacher(drafts=(loan, loan, rate))) as server:
        workspace, ended = await screened(
            tmp_path,
            server.base_url,
            student,
            concurrency=1,
            budget__records=2,
            **values,
        )
    assert (ended["accepted"], ended["rejected"]) == (2, 1)
    (refused,) = workspace.corpus.rejected_records()
    assert str(refused.reason).startswith("too_close")
    assert [each.student.place for each in workspace.corpus.records() if each.student] == [1, 3]


async def test_what_waits_when_the_budget_ends_is_decided_by_its_share(tmp_path: Path) -> None:
    values = {**TEMPLATE, **told(accept="best", batch=8, keep=4)}
    student = Student()
    with OpenAIServer(Teacher()) as server:
        _, ended = await screened(
            tmp_path, server.base_url, student, concurrency=1, budget__calls=11, **values
        )
        assert ended["stopped_because"] == "budget.calls: 11 of 11 calls used"
        assert (ended["accepted"], ended["rejected"]) == (6, 5)  # 4 of 8, then 2 of 3
        _, ended = await screened(
            tmp_path, server.base_url, student, concurrency=1, budget__calls=100, **values
        )
    assert (ended["accepted"], ended["rejected"]) == (8, 7)  # 2 of 4 more
    assert len(student.scored) == len(set(student.scored)) == 15


@pytest.mark.parametrize("accept", ["threshold", "best"])
async def test_what_cannot_be_scored_is_rejected_and_counts_as_a_stall(
    tmp_path: Path, accept: str
) -> None:
    student = Student(lambda _: Score(None, "longer than the context"))
    values = {**TEMPLATE, **told(accept=accept), "budget__stall_after": 3}
    with OpenAIServer(Teacher()) as server:
        workspace, ended = await screened(
            tmp_path, server.base_url, student, concurrency=1, **values
        )
    assert str(ended["stopped_because"]).startswith("stalled: 3 records in a row")
    reasons = {each.reason for each in workspace.corpus.rejected_records()}
    assert reasons == {"student_unscored: longer than the context"}


async def test_in_the_document_graph_a_refusal_is_a_tool_answer_and_a_try(tmp_path: Path) -> None:
    seen: set[str] = set()

    def say(each: Record) -> Score:
        """The first draft of a record is easy, the second is not."""
        first = each.id not in seen
        seen.add(each.id)
        return Score(0.0 if first and len(seen) > 2 else 1.0)

    values = {"gate__max_words": 200, **told(accept="threshold", warmup=2, quantile=0.5)}
    with OpenAIServer(Teacher()) as server:
        workspace, ended = await screened(
            tmp_path, server.base_url, Student(say), concurrency=1, budget__records=4, **values
        )
        answers = {
            str(message["content"])
            for request in server.requests
            for message in request["messages"]
            if message["role"] == "tool"
        }
    assert ended["accepted"] == 4
    accepted = list(workspace.corpus.records())
    assert [each.refusals for each in accepted] == [[], [], ["student_easy"], ["student_easy"]]
    assert [each.revisions for each in accepted] == [0, 0, 1, 1]
    told_so = [answer for answer in answers if "student_easy" in answer]
    assert told_so
    assert all(answer.startswith("refused draft-1: student_easy\nloss_gold") for answer in told_so)


async def test_one_chain_makes_the_same_decisions_on_every_run(tmp_path: Path) -> None:
    for accept in ("threshold", "best"):
        lines = []
        for name in ("a", "b"):
            folder = tmp_path / f"{accept}-{name}"
            with OpenAIServer(Teacher()) as server:
                workspace, _ = await screened(
                    folder,
                    server.base_url,
                    Student(),
                    concurrency=1,
                    **{**TEMPLATE, **told(accept=accept, warmup=2)},
                )
            everyone = (*workspace.corpus.records(), *workspace.corpus.rejected_records())
            lines.append([(each.id[6:], each.body, each.student, each.reason) for each in everyone])
        assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("settings_of", "accepted"),
    [(told(accept="best", batch=4, keep=1), 3), (told(accept="threshold", warmup=3), None)],
)
async def test_in_the_graph_softsrv_all_candidates_are_judged_and_decided(
    tmp_path: Path, settings_of: dict[str, object], accepted: int | None
) -> None:
    rng, student = random.Random(5), Student()
    with OpenAIServer(QuestionTeacher()) as server:
        _, path, _, *changes = softsrv_run(
            tmp_path,
            server.base_url,
            softsrv__method="template",
            budget__records=9,
            concurrency=3,
            **settings_of,
        )
        plan = plan_run(load_run_config(Path(path), changes[1::2]))
        async with open_run(plan, tmp_path / "run") as workspace:
            assert isinstance(workspace.screen, Screen)
            workspace.screen.scorer = student
            put_candidates(workspace, [question(rng) for _ in range(10)])
            ended = await softsrv_graph(constant(workspace)).compile().ainvoke({"chains": 3})
    assert ended["stopped_because"] == "candidates: all 10 are judged"
    assert len(set(student.scored)) == ended["accepted"] + ended["rejected"] == 10
    everyone = [*workspace.corpus.records(), *workspace.corpus.rejected_records()]
    assert all(each.student is not None and each.kind == "instruction" for each in everyone)
    if accepted is not None:  # 1 of 4, of 4 and of the 2 that were left
        assert ended["accepted"] == accepted
        manifest = read_manifest(tmp_path / "run" / "softsrv" / "manifest.json")
        assert manifest["records"]["accepted"] == accepted


async def test_what_it_does_is_named_for_whoever_watches(opened: Opened) -> None:
    student = Student()
    settings_ = CandidatesConfig(accept="best", batch=4)
    room = WaitingRoom(opened("held"), opened("choices"), ended=lambda _: False)
    made = Screen(settings_, student, opened("scores"), room=room)
    assert made.stage == ""
    await room.add(candidate_of(1))
    assert made.stage == "1 of 4 candidates wait for a choice"
    with student.students.progress.stage("loading tests"):
        assert made.stage == "loading tests"
