"""Killed at any moment, a run goes on: no record lost, none twice, no call paid twice."""

import asyncio
import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from metasynth.randomness import derive_seed
from tests.bends.bend import refusal
from tests.bends.requests import refusing
from tests.commands import Command, calls_in, corpus_of, metasynth, remembered_in, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


class Watched:
    """A teacher that does something when it is asked for the n-th time from now."""

    def __init__(self) -> None:
        self._teacher = Teacher()
        self._left = 0
        self._held = 0
        self._then: Callable[[], None] | None = None

    def after(self, requests: int, then: Callable[[], None], *, holding: int = 0) -> None:
        """`then` is called at that request; the last `holding` ones get no answer before."""
        self._left, self._then, self._held = requests, then, holding

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._left -= 1
        if self._left == 0 and self._then is not None:
            self._then()
        reply = self._teacher(request)
        return replace(reply, delay_s=3600) if 0 <= self._left < self._held else reply


def repeated(requests: list[dict[str, Any]]) -> int:
    """How many requests were made before in the same words and with the same seed."""
    return len(requests) - len({json.dumps(request, sort_keys=True) for request in requests})


def test_three_kills_change_nothing_of_what_a_run_ends_with(tmp_path: Path) -> None:
    out, chains, goal = tmp_path / "run", 6, 9
    teacher = Watched()
    kept: list[list[str]] = []
    with OpenAIServer(teacher, latency_s=0.01) as server:
        run = small_run(server.base_url, budget__records=goal, concurrency=chains)
        for requests in (25, 30, 30):
            with Command(*run, "--out", out, folder=tmp_path) as command:
                teacher.after(requests, lambda: command.send(signal.SIGKILL))
                assert command.end().status == -signal.SIGKILL
            kept.append([record.id for record in corpus_of(out)])
        assert metasynth(*run, "--out", out) == 0
        requests_made = server.requests
    ids = [record.id for record in corpus_of(out)]
    assert len(ids) == goal == len(set(ids))
    for before in kept:
        assert ids[: len(before)] == before
    assert asyncio.run(remembered_in(out)) == set(ids)
    # a conductor asks two experts at once at most, so this many were under way at the kills
    assert repeated(requests_made) <= 3 * 2 * chains
    assert len(requests_made) - calls_in(out) <= 3 * 2 * chains


def test_records_that_were_begun_come_before_new_ones(tmp_path: Path) -> None:
    out, chains = tmp_path / "run", 6
    teacher, held = Teacher(), set[str]()
    second_turns = {
        derive_seed(1, chain, "1/2", "conductor") % 2**31: chain
        for chain in (f"{number:02}" for number in range(2, chains))
    }

    def respond(request: dict[str, Any]) -> Reply:
        reply, chain = teacher(request), second_turns.get(request["seed"])
        if chain is None or "stop" in held:
            return reply
        held.add(chain)
        return replace(reply, delay_s=3600)

    with OpenAIServer(respond) as server:
        run = small_run(server.base_url, budget__records=chains, concurrency=chains)
        with Command(*run, "--out", out, folder=tmp_path) as command:
            while len(held) < 4 or len(corpus_of(out)) < 2:
                assert command.is_alive(0.05)
            command.send(signal.SIGKILL)
            command.end()
        held.add("stop")
        assert metasynth(*run, "--out", out) == 0
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        paid_for = {row[0] for row in ledger.execute("SELECT DISTINCT record_id FROM calls")}
    assert paid_for - {""} == {record.id for record in corpus_of(out)}


def test_finished_calls_are_not_paid_twice(tmp_path: Path) -> None:
    out, chains, goal = tmp_path / "run", 10, 40
    teacher = Watched()
    with OpenAIServer(teacher) as server:
        run = small_run(
            server.base_url,
            graph="template",
            budget__records=goal,
            concurrency=chains,
            gate__min_distance=0,
            gate__max_ngram_overlap=1,
            gate__max_same_opening=goal,
            gate__min_seed_words=0,
        )
        with Command(*run, "--out", out, folder=tmp_path) as command:
            teacher.after(goal // 2, lambda: command.send(signal.SIGKILL), holding=chains)
            assert command.end().status == -signal.SIGKILL
        paid = calls_in(out)
        first = len(server.requests)
        assert first - paid == chains  # one in flight on each chain
        assert metasynth(*run, "--out", out) == 0
        assert len(server.requests) - first == goal - paid
        assert repeated(server.requests) <= chains
    assert len({record.id for record in corpus_of(out)}) == goal == calls_in(out)


def test_killed_right_after_an_adaptation_it_is_refused_nothing_twice(tmp_path: Path) -> None:
    """The first expert's temperature is refused; the adapted request is in flight at the kill."""
    out, teacher = tmp_path / "run", Watched()

    def is_refused(body: dict[str, Any]) -> bool:
        return "temperature" in body and not body.get("tools")

    words = "Unsupported parameter: 'temperature' is not supported with this model."
    bend = refusing("temperature of experts", is_refused, refusal(words, param="temperature"))
    with OpenAIServer(teacher, bends=[bend]) as server:
        run = small_run(server.base_url, budget__records=1, concurrency=1)
        with Command(*run, "--out", out, folder=tmp_path) as command:
            teacher.after(2, lambda: command.send(signal.SIGKILL), holding=1)
            assert command.end().status == -signal.SIGKILL
        first = len(server.requests)
        assert [is_refused(body) for body in server.requests] == [False, True, False]
        assert calls_in(out) == 1
        assert json.loads((out / "adaptations.json").read_text())
        assert metasynth(*run, "--out", out) == 0
        assert not any(is_refused(body) for body in server.requests[first:])
        assert len(server.requests) - first == calls_in(out) - 1
    assert len(corpus_of(out)) == 1


def test_interrupted_politely_it_says_so_and_goes_on(tmp_path: Path) -> None:
    out, goal = tmp_path / "run", 5
    teacher = Watched()
    with OpenAIServer(teacher, latency_s=0.01) as server:
        run = small_run(server.base_url, budget__records=goal, concurrency=3)
        for number in (signal.SIGINT, signal.SIGTERM):
            with Command(*run, "--out", out, folder=tmp_path) as command:
                teacher.after(15, lambda: command.send(number))  # noqa: B023
                ended = command.end()
            assert ended.status == 130
            assert ended.stderr.startswith("error: interrupted; the same command goes on")
            assert ended.stderr.count("\n") == 1
        assert metasynth(*run, "--out", out) == 0
        assert len(server.requests) - calls_in(out) <= 2 * 2 * 3
    assert len({record.id for record in corpus_of(out)}) == goal
