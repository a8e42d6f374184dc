"""Rounds whose process is killed: asking, training, asking again; nothing changes."""

import asyncio
import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.active_runs import ROUNDS, ROWS, ProblemTeacher, active_run, run_file
from tests.commands import Command, calls_in, corpus_of, metasynth, remembered_in
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer


class Held:
    """A teacher who is silent at one request, so that a kill comes before it is answered."""

    def __init__(self) -> None:
        self._teacher = ProblemTeacher()
        self._left = 0
        self._then: Callable[[], None] = lambda: None

    def hold(self, requests: int, then: Callable[[], None] = lambda: None) -> None:
        """The n-th request from now gets no answer; `then` is called when it comes."""
        self._left, self._then = requests, then

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._left -= 1
        if self._left != 0:
            return self._teacher(request)
        self._then()
        return replace(self._teacher(request), delay_s=3600)


def round_of(out: Path, number: int) -> Path:
    return out / "student" / f"round-{number:02d}"


def figures(out: Path, number: int) -> dict[str, Any]:
    """What a round tells, without the time that its training took."""
    told: dict[str, Any] = json.loads((round_of(out, number) / "round.json").read_text())
    del told["training"]["seconds"]
    return told


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


@pytest.mark.usefixtures("one_thread")
def test_kills_of_the_process_change_no_round(tmp_path: Path) -> None:
    out, teacher = tmp_path / "run", Held()
    run_file(tmp_path)
    with OpenAIServer(teacher) as server:
        run = active_run(tmp_path, server.base_url)
        assert metasynth(*run, "--out", tmp_path / "whole") == 0
        asked = len(server.requests)
        assert asked == ROUNDS * ROWS

        def killed_at(requests: int) -> None:
            with Command(*run, "--out", out, folder=tmp_path) as command:
                teacher.hold(requests, lambda: command.send(signal.SIGKILL))
                assert command.end().status == -signal.SIGKILL

        killed_at(2)  # round 1 asks for its rows
        with Command(*run, "--out", out, folder=tmp_path) as command:
            # round 1 goes on and trains; should the kill come late, round 2 waits for it
            teacher.hold(ROWS)
            wait_for(round_of(out, 1) / "trained" / "checkpoints")
            command.send(signal.SIGKILL)
            assert command.end().status == -signal.SIGKILL
        before_round_2 = len(server.requests)
        killed_at(1 + ROWS // 2)  # round 2 asks for its rows
        assert metasynth(*run, "--out", out) == 0
        made = len(server.requests) - asked
        assert before_round_2 - asked in (ROWS + 1, ROWS + 2)
    assert made - ROUNDS * ROWS <= 3  # what was under way at a kill, one call each
    assert calls_in(out) == ROUNDS * ROWS
    whole = {record.id: record.body for record in corpus_of(tmp_path / "whole")}
    assert {record.id: record.body for record in corpus_of(out)} == whole
    assert asyncio.run(remembered_in(out)) == set(whole)
    for number in range(1, ROUNDS + 1):
        assert figures(out, number) == figures(tmp_path / "whole", number)
