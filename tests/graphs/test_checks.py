"""Checks between gate and admission, and the user's checker: no chain waits for another's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from metasynth.errors import MetaSynthError
from metasynth.graphs.admission.check import CHECKS, check, run_checks
from metasynth.graphs.admission.draft import Verdict
from metasynth.records.record import Message, Record, read_records
from tests.commands import corpus_of, metasynth, small_run
from tests.instruct_runs import InstructTeacher, Run
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.screened_runs import TEMPLATE
from tests.teacher import Teacher

EVERY_SECOND = """\
from metasynth.graphs.admission.check import check
from metasynth.graphs.admission.draft import Verdict

SEEN = []


@check
async def refuse_every_second(record):
    SEEN.append(record.id)
    assert record.novelty is not None
    return Verdict("every_second", f"number {len(SEEN)}") if len(SEEN) % 2 == 0 else Verdict()
"""
TOGETHER = """\
import threading

BOTH = threading.Barrier(2)
FIRST = []


def check(text):
    FIRST.append(text)
    if len(FIRST) <= 2:  # each waits until another chain has come here too
        BOTH.wait(60)
    return True
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A directory with a check, which is forgotten again."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "every_second.py").write_text(EVERY_SECOND)
    yield folder
    CHECKS.forget("every_second")


def text(body: str) -> Record:
    return Record(id="r", text=body)


def test_a_run_uses_a_check_of_its_plugins(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        values = {**TEMPLATE, "budget__records": 2, "concurrency": 1, "plugins": f"[{own}]"}
        run = small_run(server.base_url, gate__checks="[whole_ending, every_second]", **values)
        assert metasynth(*run, "--out", out) == 0
    assert len(corpus_of(out)) == 2
    (refused,) = read_records(out / "rejected.jsonl")
    assert (refused.reason, refused.refusals) == ("every_second: number 2", ["every_second"])
    assert refused.novelty is not None


async def test_a_conversation_is_checked_and_sent_back(tmp_path: Path) -> None:
    @check(name="asks_for_sums")
    def check_it(record: Record) -> Verdict:
        return Verdict("asks_for_sums", "it has no sum" if record.messages else "no conversation")

    try:
        with Run(tmp_path, InstructTeacher()) as run:
            accepted, rejected, _ = await run(
                gate__checks="[asks_for_sums]",
                budget__records=1,
                budget__stall_after=1,
                concurrency=1,
            )
    finally:
        CHECKS.forget("asks_for_sums")
    assert not accepted
    assert rejected[0].refusals[0] == "asks_for_sums"


@pytest.mark.parametrize("graph", ["document", "template", "instruct"])
def test_no_chain_waits_for_the_checker_of_another(graph: str, tmp_path: Path) -> None:
    checker = tmp_path / "together.py"
    checker.write_text(TOGETHER)
    values: dict[str, object] = {"checker": checker, "budget__records": 2, "concurrency": 2}
    if graph == "instruct":
        with Run(tmp_path, InstructTeacher()) as run:
            accepted, _, _ = asyncio.run(run(**values))
    else:
        values |= TEMPLATE if graph == "template" else {}
        with OpenAIServer(Teacher()) as server:
            assert metasynth(*small_run(server.base_url, **values), "--out", tmp_path / "run") == 0
        accepted = corpus_of(tmp_path / "run")
    assert len(accepted) == 2
    assert all(record.checker is not None and record.checker.passed for record in accepted)


class TestRunning:
    async def test_the_first_that_refuses_decides(self) -> None:
        verdict = await run_checks(
            ["contact_details", "whole_ending"], text("Write to ada@example.org or")
        )
        assert verdict.reason == "contact_details: holds an e-mail address: ada@example.org"
        assert (await run_checks(["contact_details"], text("Write to ada."))).passed

    async def test_a_defect_is_told_as_the_checks(self) -> None:
        @check(name="broken")
        def broken(record: Record) -> Verdict:
            raise ZeroDivisionError(record.id)

        @check(name="says_no")
        def says_no(_record: Record) -> Verdict:
            return "no"  # type: ignore[return-value]

        for name in ("broken", "says_no"):
            with raises(MetaSynthError, "failed_check") as raised:
                await run_checks([name], text("A text."))
            assert f"check {name}" in str(raised.value)
            CHECKS.forget(name)


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("Call +49 30 1234567 today.", False),
        ("See https://example.org/a for more.", False),
        ("In 2024 the port made 1 200 000 calls.", True),
    ],
)
async def test_contact_details(body: str, passes: bool) -> None:
    assert (await run_checks(["contact_details"], text(body))).passed is passes


@pytest.mark.parametrize(
    ("ending", "passes"),
    [
        ("and then he left.", True),
        ("x = f(1)", True),
        ("he counted,", False),
        ("the list (", False),
        ("he left and", False),
        ("the sand", True),
    ],
)
async def test_whole_ending(ending: str, passes: bool) -> None:
    messages = [Message(role="user", content="Why?"), Message(role="assistant", content=ending)]
    for record in (text(ending), Record(id="r", kind="instruction", messages=messages)):
        assert (await run_checks(["whole_ending"], record)).passed is passes
