"""Traces: what a run keeps of each record's path, and what `metasynth trace` shows of it."""

import json
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metasynth.errors import MetaSynthError, RequestError
from metasynth.memory.ledger import Ledger
from metasynth.memory.traces.file import TraceFile, read_spans
from metasynth.memory.traces.spans import Span, Value, span_id_of
from metasynth.memory.traces.traced import RecordTrace, find_trace, read_traces, used_by
from tests.commands import Command, corpus_of, metasynth, small_run
from tests.openai_answers import Reply, failure
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher

RESOURCE = {"service.name": "metasynth"}
PRICED = {"prices": "{'openai:gpt-4o-mini': {input: 1, output: 2}}"}


def spans_of(out: Path) -> list[Span]:
    return [span for _, span in read_spans(out / "traces.jsonl")]


def calls(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat"]


def ledger_keys(out: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(out / "ledger.sqlite")) as db:
        return sorted(db.execute("SELECT chain, step FROM calls"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of three records, of which one is sent back by the gate and one call fails."""
    out = tmp_path_factory.mktemp("traces") / "run"
    teacher, asked = Teacher(), Counter[str]()

    def respond(request: dict[str, Any]) -> Reply:
        asked["all"] += 1
        if asked["all"] == 12:
            return failure("filtered")
        reply = teacher(request)
        is_draft = not request.get("tools") and len(str(reply.content).split()) > 30
        asked["drafts"] += is_draft
        return replace(reply, content="Too short.") if asked["drafts"] == is_draft == 1 else reply

    with OpenAIServer(respond) as server:
        args = small_run(server.base_url, budget__records=3, concurrency=1, **PRICED)
        assert metasynth(*args, "--out", out) == 0
    return out, args


@pytest.fixture(scope="module")
def run(made: tuple[Path, list[str]]) -> Path:
    return made[0]


class TestARun:
    def test_every_line_is_otlp(self, run: Path) -> None:
        for line in (run / "traces.jsonl").read_text(encoding="utf-8").splitlines():
            (resourced,) = json.loads(line)["resourceSpans"]
            (scoped,) = resourced["scopeSpans"]
            (span,) = scoped["spans"]
            assert len(bytes.fromhex(span["traceId"])) == 16
            assert len(bytes.fromhex(span["spanId"])) == 8
            assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])

    def test_the_first_line_of_a_start_speaks_for_all(self, run: Path) -> None:
        lines = (run / "traces.jsonl").read_text(encoding="utf-8").splitlines()
        named = ["resource" in json.loads(line)["resourceSpans"][0] for line in lines]
        assert named == [True] + [False] * (len(lines) - 1)
        resources = [resource for resource, _ in read_spans(run / "traces.jsonl")]
        assert all(resource == resources[0] for resource in resources)
        assert resources[0]["service.name"] == "metasynth"

    def test_each_call_of_the_ledger_has_its_span(self, run: Path) -> None:
        made = [span for span in calls(spans_of(run)) if not span.error]
        told = [span.attributes for span in made]
        keys = [(str(t["metasynth.ledger.chain"]), str(t["metasynth.ledger.step"])) for t in told]
        assert sorted(keys) == ledger_keys(run)
        used = used_by(made)
        with closing(Ledger(run / "ledger.sqlite")) as ledger:
            whole = ledger.totals()
        assert (used.calls, used.tokens_in, used.tokens_out) == (
            whole.calls,
            whole.tokens_in,
            whole.tokens_out,
        )
        assert used.usd == pytest.approx(whole.usd)
        assert used.seconds == pytest.approx(whole.seconds, rel=1e-3)

    def test_each_record_has_one_trace_that_hangs_together(self, run: Path) -> None:
        traces = [one for one in read_traces(run) if one.record_id]
        assert {one.record_id for one in traces if one.status == "accepted"} == {
            record.id for record in corpus_of(run)
        }
        for one in traces:
            ids = {span.span_id for span in one.spans}
            assert len(ids) == len(one.spans)
            (root,) = [span for span in one.spans if not span.parent_id]
            assert root.span_id == span_id_of(one.trace_id, "")
            assert all(span.parent_id in ids for span in one.spans if span.parent_id)
            assert all(root.start <= span.start <= span.end <= root.end for span in one.spans)
            nodes = {span.span_id: span.attributes.get("metasynth.node") for span in one.spans}
            assert {nodes[span.parent_id] for span in calls(list(one.spans))} <= {
                "conductor",
                "consult",
            }

    def test_the_gate_says_why_it_refused(self, run: Path) -> None:
        reasons = [
            str(span.attributes["metasynth.reason"])
            for span in spans_of(run)
            if span.attributes.get("metasynth.node") == "gate"
            and "metasynth.reason" in span.attributes
        ]
        assert any(reason.startswith("too_short: 2 words") for reason in reasons)

    def test_a_call_without_an_answer_says_why(self, run: Path) -> None:
        (failed,) = [span for span in calls(spans_of(run)) if span.error]
        assert "content management policy" in failed.error
        assert failed.attributes["error.type"] == "RefusedPromptError"

    def test_a_finished_run_adds_its_start_alone(self, made: tuple[Path, list[str]]) -> None:
        out, args = made
        before = spans_of(out)
        assert metasynth(*args, "--out", out) == 0
        after = spans_of(out)
        assert after[: len(before)] == before
        assert {span.attributes.get("metasynth.record.id") for span in after[len(before) :]} == {
            None
        }


class TestTheCommand:
    def test_without_a_record_it_is_a_table(
        self, run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert metasynth("trace", run) == 0
        shown = capsys.readouterr().out
        for record in corpus_of(run):
            assert record.id in shown
        assert "3 accepted" in shown and "$" in shown
        assert "1 calls gave no answer" in shown

    def test_with_a_record_it_is_a_tree(
        self, run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        record = corpus_of(run)[-1]
        assert metasynth("trace", run, record.id[-8:]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"{record.id}: accepted")
        for part in ("─ conductor 1", "│  └─ consult", "─ gate", "─ admit", "tokens", "→ submit"):
            assert part in shown

    def test_for_machines(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert metasynth("trace", run, "--json") == 0
        rows = json.loads(capsys.readouterr().out)["records"]
        assert sum(row["calls"] for row in rows) == len(ledger_keys(run))
        one = next(row for row in rows if row["record"])
        assert metasynth("trace", run, one["record"], "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert {key: told[key] for key in one} == one
        assert told["spans"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [("nobody", "no record 'nobody'"), ("", "is short for several records")],
    )
    def test_an_unknown_record(
        self, run: Path, given: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert metasynth("trace", run, given) == 2
        assert said in capsys.readouterr().err

    def test_what_is_no_run_or_has_no_traces(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert metasynth("trace", tmp_path) == 2
        assert "no run directory" in capsys.readouterr().err
        (tmp_path / "run.yaml").write_text("identity: abc\n")
        assert metasynth("trace", tmp_path) == 2
        assert "has no traces" in capsys.readouterr().err


class TestTheFile:
    def add(self, file: TraceFile, record: str, place: str, *, start: int = 5) -> bool:
        trace = file.trace_of(record)
        told = {"metasynth.record.id": record}
        parent = span_id_of(trace, "") if place else ""
        return file.add(Span(trace, span_id_of(trace, place), parent, "n", start, start + 1, told))

    def test_half_a_line_is_cut_off_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "traces.jsonl"
        with TraceFile(path, RESOURCE) as file:
            assert self.add(file, "a", "1")
            whole, trace = path.read_bytes(), file.trace_of("a")
        path.write_bytes(whole + whole[:40])
        assert [span.name for _, span in read_spans(path)] == ["n"]
        with TraceFile(path, RESOURCE) as file:
            assert path.read_bytes() == whole
            assert file.trace_of("a") == trace
            assert not self.add(file, "a", "1")
            assert self.add(file, "a", "2", start=3)
            assert (file.began(trace), file.unended()) == (3, {"a": 6})
            assert self.add(file, "a", "", start=3)
            assert not self.add(file, "a", "3")  # it has ended
            assert file.unended() == {}

    def test_two_runs_of_one_configuration_have_traces_of_their_own(self, tmp_path: Path) -> None:
        ids = set()
        for name in ("one", "two"):
            with TraceFile(tmp_path / name, RESOURCE) as file:
                ids.add(file.trace_of("a"))
        assert len(ids) == 2

    def test_a_broken_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "traces.jsonl"
        path.write_text('{"resourceSpans": 3}\n')
        with raises(MetaSynthError, "bad_line", "line 1"):
            TraceFile(path, RESOURCE)

    def test_every_kind_of_value_comes_back(self, tmp_path: Path) -> None:
        told: dict[str, Value] = {
            "s": "ü\n",
            "i": 2**60,
            "f": 0.5,
            "b": True,
            "l": ["x", "y"],
            "e": [],
        }
        span = Span("0" * 32, "1" * 16, "", "n", 1, 2, told, error="why")
        with TraceFile(tmp_path / "t", RESOURCE) as file:
            file.add(span)
        assert [found for _, found in read_spans(tmp_path / "t")] == [span]


class Killing:
    """A teacher that kills whoever asks at the n-th request from now."""

    def __init__(self) -> None:
        self._teacher = Teacher()
        self.left = 0
        self.kill: Callable[[], None] = lambda: None

    def __call__(self, request: dict[str, Any]) -> Reply:
        self.left -= 1
        if self.left == 0:
            self.kill()
        return self._teacher(request)


def broken_parents(trace: RecordTrace) -> Iterator[Span]:
    known = {span.span_id for span in trace.spans}
    yield from (span for span in trace.spans if span.parent_id and span.parent_id not in known)


def test_kills_lose_no_span_and_double_none(tmp_path: Path) -> None:
    out = tmp_path / "run"
    teacher = Killing()
    with OpenAIServer(teacher) as server:
        args = small_run(server.base_url, budget__records=4, concurrency=3)
        for requests in (9, 14):
            with Command(*args, "--out", out, folder=tmp_path) as command:
                teacher.kill = lambda: command.send(signal.SIGKILL)
                teacher.left = requests
                assert command.end().status == -signal.SIGKILL
        with (out / "traces.jsonl").open("ab") as file:
            file.write(b'{"resourceSpans":[{"res')
        with Command(*args, "--out", out, folder=tmp_path) as command:
            assert command.end().status == 0
    spans = spans_of(out)
    assert len({(span.trace_id, span.span_id) for span in spans}) == len(spans)
    keys = [
        (
            str(span.attributes["metasynth.ledger.chain"]),
            str(span.attributes["metasynth.ledger.step"]),
        )
        for span in calls(spans)
    ]
    assert sorted(keys) == ledger_keys(out)
    traces = {one.record_id: one for one in read_traces(out)}
    for record in corpus_of(out):
        trace = traces[record.id]
        assert trace.status == "accepted"
        assert not list(broken_parents(trace))
        assert sum(not span.parent_id for span in trace.spans) == 1
        nodes = Counter(span.attributes.get("metasynth.node") for span in trace.spans)
        assert nodes["brief"] == 1
        turns = [s.name for s in trace.spans if s.attributes.get("metasynth.node") == "conductor"]
        assert turns == [f"conductor {number}" for number in range(1, len(turns) + 1)]
    with pytest.raises(RequestError):
        find_trace(list(traces.values()), "zz", root=out)
