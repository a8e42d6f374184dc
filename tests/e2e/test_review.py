"""A person decides before admission: asked on the terminal, whatever is killed in between."""

import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from metasynth.records.record import Record, read_records
from tests.commands import Command, calls_in, corpus_of, metasynth, small_run
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

DEADLINE_S = 120


class Person:
    """Sits at a terminal: reads what the command shows and types."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.terminal = os.ttyname(theirs)
        self._theirs = theirs  # open, so that the terminal outlives the commands
        self._shown = folder / "stderr"
        self._seen = 0

    def sees(self, what: str) -> str:
        """What was shown since the last time, as soon as `what` is in it."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            text = self._shown.read_text()[self._seen :] if self._shown.exists() else ""
            if what in text:
                self._seen += text.index(what) + len(what)
                return text
            time.sleep(0.02)
        raise AssertionError(self._shown.read_text())

    def types(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def answers(self, line: str) -> str:
        """Wait for a question and answer it; returns what was shown before."""
        shown = self.sees("[q]uit > ")
        self.types(line)
        return shown

    def looks_away(self) -> None:
        """A new command writes its output anew."""
        self._shown.unlink()
        self._seen = 0

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


def rejected_of(directory: Path) -> list[Record]:
    return list(read_records(directory / "rejected.jsonl"))


def test_accepted_edited_rejected_and_sent_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, person = tmp_path / "run", Person(tmp_path)
    monkeypatch.setenv("VISUAL", "sed -i 's/^/Indeed. /'")
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, budget__records=3, concurrency=1), "--review"]
        with Command(*run, "--out", out, folder=tmp_path, stdin=person.terminal) as command:
            assert "0 of 3 accepted" in person.answers("a")
            person.answers("e")
            person.answers("r")
            person.sees("why?")
            person.types("too dull")
            shown = person.answers("s")
            assert "nearest" in shown and "2 of 3 accepted" in shown
            person.sees("better?")
            person.types("name the sums")
            person.answers("nonsense")
            person.sees("one letter of")
            person.answers("a")
            ended = command.end()
    person.close()
    assert ended.status == 0, ended.stderr
    accepted, edited, last = corpus_of(out)
    assert accepted.review is not None and accepted.review.decision == "accept"
    assert edited.review is not None and edited.review.decision == "edit"
    assert edited.body.startswith("Indeed. ")
    assert edited.novelty is not None and edited.novelty.distance is not None
    assert last.review == accepted.review
    dull, sent_back = rejected_of(out)  # what the teacher then wrote had too many words
    assert dull.reason == "review: too dull" and dull.review is not None
    assert sent_back.refusals[0] == "review" and sent_back.revisions > 0
    assert any("name the sums" in str(request) for request in server.requests)
    assert metasynth("explain", out, edited.id) == 0
    assert "review       edited by a person" in capsys.readouterr().out


def test_a_kill_loses_nothing_and_studio_shows_the_threads(tmp_path: Path) -> None:
    out, person = tmp_path / "run", Person(tmp_path)
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, budget__records=2, concurrency=2), "--review"]
        with Command(*run, "--out", out, folder=tmp_path, stdin=person.terminal) as command:
            person.sees("[q]uit > ")
            waits_for(lambda: threads_with(out, "__interrupt__") == 2)
            command.send(signal.SIGKILL)
            command.end()
        paid = len(server.requests)
        person.looks_away()
        with Command(*run, "--out", out, folder=tmp_path, stdin=person.terminal) as command:
            person.answers("a")
            waits_for(lambda: threads_with(out, "outcome") == 1)
            person.answers("q")
            ended = command.end()
        assert ended.status == 130 and "the same command asks" in ended.stderr
        (accepted,) = corpus_of(out)
        with studio_of(out, tmp_path) as studio:
            threads = studio.post("/threads/search", json={"limit": 10}).json()
            by_outcome = {thread["metadata"]["outcome"]: thread for thread in threads}
            assert set(by_outcome) == {"accepted", "in work"}
            done, waiting = (by_outcome[name] for name in ("accepted", "in work"))
            assert done["metadata"]["record_id"] == accepted.id
            at = f"/threads/{done['thread_id']}"
            values = studio.get(f"{at}/state").json()["values"]
            assert values["outcome"] == "accepted"
            assert accepted.text in [one["text"] for one in values["artifacts"].values()]
            history = studio.get(f"{at}/history", params={"limit": 100}).json()
            steps = [step["next"][0] for step in history if step["next"]]
            assert steps[:4] == ["admit", "approve", "score", "gate"]
            at = f"/threads/{waiting['thread_id']}"
            (task,) = studio.get(f"{at}/state").json()["tasks"]
            asked = task["interrupts"][0]["value"]["draft"]["text"]
            body = {"assistant_id": waiting["metadata"]["graph_id"]}
            resume = {**body, "command": {"resume": "accept"}}
            answered = studio.post(f"{at}/runs/wait", json=resume).json()
            assert answered["outcome"] == "accepted", answered
            assert {one.text for one in corpus_of(out)} == {accepted.text, asked}
            before = next(step for step in history if step["next"] == ["score"])
            fork = {"checkpoint": {"checkpoint_id": before["checkpoint"]["checkpoint_id"]}}
            at = f"/threads/{done['thread_id']}"
            studio.post(f"{at}/runs/wait", json={**body, **fork, "input": None})
            resume = {**body, "command": {"resume": "reject: on second thoughts"}}
            forked = studio.post(f"{at}/runs/wait", json=resume).json()
            assert forked["outcome"], forked
            assert len(corpus_of(out)) == 2 and not (out / "rejected.jsonl").read_text()
        assert len(server.requests) == paid == calls_in(out)
    person.close()


@contextmanager
def studio_of(out: Path, folder: Path) -> Iterator[httpx2.Client]:
    """`metasynth studio OUT` and a client of its server."""
    command = [sys.executable, "-m", "metasynth", "studio", str(out)]
    log = (folder / "studio").open("wb")
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server:
        try:
            assert server.stdout is not None
            told = [server.stdout.readline() for _ in range(4)]
            address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+", told[1])
            assert address is not None, (told, (folder / "studio").read_text())
            with httpx2.Client(base_url=address[0], timeout=DEADLINE_S, trust_env=False) as client:
                with httpx2.Client(base_url=urljoin(address[0], "/"), trust_env=False) as other:
                    bearer = {"authorization": f"Bearer {address[0].rpartition('/')[2]}"}
                    assert other.post("/threads/search", json={}).status_code == 403
                    asked = other.post("/threads/search", json={}, headers=bearer)
                    assert asked.status_code == 200
                yield client
            server.send_signal(signal.SIGINT)
            assert server.wait(DEADLINE_S) == 0
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)  # it ends the server that it has started


def threads_with(out: Path, channel: str) -> int:
    """How many threads have a step that wrote this part of the state."""
    with closing(sqlite3.connect(out / "checkpoints.sqlite")) as found:
        written = "SELECT count(DISTINCT thread_id) FROM writes WHERE channel = ?"
        count: int = found.execute(written, (channel,)).fetchone()[0]
        return count


def waits_for(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not happens():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.02)


def test_without_a_terminal_nobody_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        run = small_run("http://127.0.0.1:9", review="true")
        assert metasynth(*run, "--out", tmp_path / "run") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: review: stdin is no terminal") and told.count("\n") == 1
    assert not (tmp_path / "run").exists()
