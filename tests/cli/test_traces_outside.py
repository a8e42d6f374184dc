"""Traces that leave the machine, and only where the user has named a place; secrets never do."""

import http.server
import logging
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tracers.context import register_configure_hook
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from metasynth.cli.doctor.machine import report_traces
from metasynth.errors import RequestError
from metasynth.memory.traces.export import Exporter, collector_of
from metasynth.memory.traces.file import read_spans
from metasynth.redaction import HIDDEN, Redactor
from tests.commands import corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher

KEY = "sk-test-0123456789abcdef"
TRACER: ContextVar[RunCollectorCallbackHandler | None] = ContextVar("tracer", default=None)
register_configure_hook(TRACER, inheritable=True)  # as LangSmith's tracer is brought in
PASSWORD = "open-the-door-77"


class Collector:
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        kept = self.posts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                names = {name.lower(): value for name, value in self.headers.items()}
                kept.append((self.path, names, body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def spans(self) -> list[Any]:
        found = []
        for path, headers, body in self.posts:
            assert path == "/v1/traces"
            assert headers["content-type"] == "application/x-protobuf"
            for resourced in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {one.key: one.value.string_value for one in resourced.resource.attributes}
                assert names["service.name"] == "metasynth"
                assert names["deployment.environment"] == "test"
                found += [span for scoped in resourced.scope_spans for span in scoped.spans]
        return found


def below(run: Any) -> Iterator[tuple[Any, Any]]:
    """Each run with the one that it is part of."""
    for child in run.child_runs:
        yield run, child
        yield from below(child)


def test_a_collector_gets_every_span_and_langchains_tracers_see_one_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, collector = tmp_path / "run", Collector()
    with collector.serving() as address, OpenAIServer(Teacher()) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=collectors-own-key")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        args = small_run(server.base_url, budget__records=1, concurrency=1)
        token = TRACER.set(langchain := RunCollectorCallbackHandler())
        assert metasynth(*args, "--out", out) == 0
        TRACER.reset(token)
    kept = {span.span_id: span for _, span in read_spans(out / "traces.jsonl")}
    sent = collector.spans()
    assert len(sent) == len(kept) > 10
    for span in sent:
        mine = kept[span.span_id.hex()]
        assert span.trace_id.hex() == mine.trace_id
        assert span.parent_span_id.hex() == mine.parent_id
        assert (span.name, span.kind) == (mine.name, mine.kind)
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == (mine.start, mine.end)
        assert {one.key for one in span.attributes} == set(mine.attributes)
    assert all(headers["api-key"] == "collectors-own-key" for _, headers, _ in collector.posts)
    (whole,) = langchain.traced_runs
    under = {run.name: parent.name for parent, run in below(whole) if run.run_type == "llm"}
    assert under["conductor"] == "conductor"
    assert {under[expert] for expert in set(under) - {"conductor"}} == {"consult"}
    assert len(under) > 3


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, None),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:secret@c:4318/?k=1"},
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/v1/traces",
            },
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/v1/traces"),
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_which_collector_is_named(
    environment: dict[str, str], found: tuple[str, str] | None
) -> None:
    assert collector_of(environment) == found


def test_a_collector_that_speaks_something_else_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    args = small_run("http://127.0.0.1:9/v1", budget__records=1, check_models="false")
    assert metasynth(*args, "--out", tmp_path / "run") == 2
    told = capsys.readouterr().err
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in told and "not as grpc" in told


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, missing, None)
    with raises(RequestError, "missing_package") as told:
        Exporter("OTEL_EXPORTER_OTLP_ENDPOINT", {}, clean=str)
    assert told.value.hint is not None and "metasynth-agents[otlp]" in told.value.hint


def test_doctor_says_where_traces_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_traces({})
    assert capsys.readouterr().out.splitlines() == [
        "  traces           kept as traces.jsonl in each run directory"
    ]
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:secret-word@127.0.0.1:9"}
    monkeypatch.setenv(*next(iter(named.items())))
    assert report_traces(named)
    assert not report_traces({**named, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    told = capsys.readouterr().out
    assert "✓ collector: spans go to http://127.0.0.1:9 (" in told
    assert "✗ collector: OTEL_EXPORTER_OTLP_ENDPOINT: traces are sent as http/protobuf" in told
    assert "secret-word" not in told


class Talkative:
    """A server that repeats key and password: in errors, in texts, in what it asks for."""

    def __init__(self) -> None:
        self._teacher = Teacher()
        self._asked = 0

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._asked += 1
        said = f"Bearer {KEY} for http://me:{PASSWORD}@here"
        if self._asked == 3:
            error = {"message": f"{said}: content_filter", "code": "content_filter"}
            return Reply(status=400, error=error)
        if self._asked == 5:
            return Reply(status=500, error={"message": said})
        reply = self._teacher(request)
        if reply.content:
            reply = Reply(content=f"{reply.content} {said}")
        for call in reply.tool_calls:
            if "instruction" in call["arguments"]:
                call["arguments"]["instruction"] += f" {said}"
        return reply


def test_no_secret_is_in_anything_that_a_run_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer(Talkative()) as server:
        address = server.base_url.replace("://", f"://me:{PASSWORD}@")
        args = small_run(address, budget__records=2, concurrency=1, gate__max_words=200)
        commands: list[list[object]] = [
            [*args, "--out", out],
            ["report", out],
            ["trace", out],
            ["trace", out, "00001"],
        ]
        for command in commands:
            assert metasynth(*command) == 0
        server.responder = lambda _: Reply(status=401, error={"message": f"no {KEY} {PASSWORD}"})
        more = small_run(address, budget__records=3, concurrency=1, gate__max_words=200)
        assert metasynth(*more, "--out", tmp_path / "other") == 1
    shown = capfd.readouterr()
    assert "wrong key" in shown.err
    assert len(corpus_of(out)) == 2
    assert HIDDEN in (out / "corpus.jsonl").read_text(encoding="utf-8")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"traces.jsonl", "run.yaml", "report.html", "checkpoints.sqlite"} <= {
        path.name for path in files
    }
    for path in files:
        if path.suffix == ".sqlite":  # pages that were freed count too
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for secret in (KEY, PASSWORD):
            assert secret.encode() not in path.read_bytes(), path
    for secret in (KEY, PASSWORD):
        assert secret not in shown.out + shown.err


def test_what_a_redactor_knows() -> None:
    environment = {
        "OPENAI_BASE_URL": "http://me:p%40ssword-1@host/v1",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=of-the-collector,x=short",
    }
    redactor = Redactor(environment, {"teacher": {"base_url": "http://me:in-the-file@host"}})
    text = "p%40ssword-1 p@ssword-1 of-the-collector in-the-file short sk-aaaaaaaaaaaaaaaaaaaa"
    assert redactor.known(text) == f"{' '.join([HIDDEN] * 4)} short sk-aaaaaaaaaaaaaaaaaaaa"
    assert redactor.text(text) == f"{' '.join([HIDDEN] * 4)} short {HIDDEN}"
    told = {"a": ["of-the-collector"], "b": 1}
    assert redactor.known_everywhere(told) == {"a": [HIDDEN], "b": 1}
    assert Redactor({}, {}).known_everywhere(told) is told


def test_a_secret_in_what_the_exporter_logs_is_hidden(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    exporter = Exporter(
        "OTEL_EXPORTER_OTLP_ENDPOINT", {}, clean=lambda text: text.replace("secret", "…")
    )
    logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    logger.error("cannot send %s", "a secret")
    exporter.close()
    assert caplog.messages == ["cannot send a …"]
