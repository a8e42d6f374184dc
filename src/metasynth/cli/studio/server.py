"""LangGraph's development server over the threads of one run."""

import ctypes
import importlib.util
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metasynth.cli.screen.terminal import tell
from metasynth.compose.threads import kept_threads
from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.record import Record, read_records
from metasynth.records.rundir import RunDirectory
from metasynth.yaml_text import read_yaml

from .origins import TOKEN, http_settings

_PORT = 2024
_STUDIO = "https://smith.langchain.com/studio/?baseUrl="
_READY_WITHIN_S = 180.0
_ENDS_WITHIN_S = 20.0
_QUIET = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
}
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG
_PROBLEM = re.compile(r"[\w.]+(Error|Exception): ")
_REPORTING = ("LANGGRAPH_CLOUD_LICENSE_KEY", "LANGSMITH_CONTROL_PLANE_API_KEY")


def serve(directory: Path, *, port: int | None, opens_page: bool) -> int:
    """Serve until the process is interrupted; the exit status.

    Raises:
        RequestError: The server is not installed, the port is in use, or the run has no threads.
        MetaSynthError: The server did not start.
    """
    _check_installed()
    threads = kept_threads(RunDirectory(directory).checkpoints)
    if not threads:
        raise RequestError(
            f"{directory}: holds no threads of records",
            hint="graphs that write with a conductor or a template keep them, see keep_threads",
            code="no_threads",
        )
    token = secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{_port(port)}/{token}"
    with (
        tempfile.TemporaryDirectory(prefix="metasynth-studio-") as folder,
        suppress(KeyboardInterrupt),
        _server(directory, address, Path(folder)) as server,
    ):
        _await_ready(server, address, Path(folder) / "log")
        _announce(directory, address, threads)
        _tell(directory, address, len(threads))
        if opens_page:
            webbrowser.open(_STUDIO + address)
        raise MetaSynthError(
            f"the server ended by itself, with status {server.wait()}", code="server_failed"
        )
    return 0


def _tell(directory: Path, address: str, count: int) -> None:
    tell(f"{count} threads of {directory}")
    tell(f"  API     {address} (its description: {address}/docs)")
    tell(f"  Studio  {_STUDIO}{address}")
    tell("Studio's page is hosted; it reads this address, whose last part is this server's token,")
    tell("from your browser. Ctrl-C ends this.")
    sys.stdout.flush()


def _check_installed() -> None:
    needed = ("langgraph_cli", "langgraph_api", "langgraph_runtime_inmem")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(
            f"studio: {missing[0]} is not installed",
            hint='pip install "metasynth-agents[studio]"',
            code="missing_package",
        )


def _port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or _PORT))
        except OSError:
            if wanted is not None:
                raise RequestError(
                    f"--port {wanted}: is in use", hint="give another", code="taken_port"
                ) from None
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ends_with_parent() -> None:
    """In the new process: whatever ends this one, a kill too, ends the server. Linux alone."""
    if _LIBC is not None:
        _LIBC.prctl(_PARENT_DEATH, signal.SIGINT)


@contextmanager
def _server(directory: Path, address: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The server's process, which is ended whatever happens."""
    module = "metasynth.compose.studio_run"
    url = urlsplit(address)
    secret = {TOKEN: url.path.removeprefix("/")}
    (folder / "langgraph.json").write_text(
        json.dumps(
            {
                "dependencies": ["."],
                "graphs": {graph_of(directory): f"{module}:record"},
                "checkpointer": {"path": f"{module}.checkpointer"},
                "http": http_settings("metasynth.cli.studio.guard:app"),
            }
        )
    )
    environment = {name: value for name, value in os.environ.items() if name not in _REPORTING}
    environment |= {**_QUIET, **secret, "METASYNTH_STUDIO_RUN": str(directory)}
    environment.setdefault("LANGSMITH_TRACING", "false")
    # a step may write a file while the server waits: it serves one person
    options = ("--no-browser", "--no-reload", "--allow-blocking")
    command = [sys.executable, "-m", "langgraph_cli", "dev", *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - this interpreter, arguments made here
            [*command, "--host", str(url.hostname), "--port", str(url.port)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for this process, which ends the other
            preexec_fn=_ends_with_parent,
        )
    try:
        yield server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def graph_of(directory: Path) -> str:
    """The name of the graph whose threads a run directory holds."""
    resolved = read_yaml(RunDirectory(directory).run_file)
    name = str(resolved["config"]["graph"])
    return "document" if name == "active" else name


def _await_ready(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    until = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < until and server.poll() is None:
        try:
            _request(f"{address}/ok")
        except OSError:
            time.sleep(0.2)
        else:
            return
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    problem = next((line for line in reversed(lines) if _PROBLEM.match(line)), lines[-1])
    raise MetaSynthError(f"the server did not start: {problem}", code="server_failed")


def _announce(directory: Path, address: str, threads: Mapping[str, str]) -> None:
    """Tell the server which threads there are; what they hold it reads from the run."""
    ended = {
        record.id: record
        for name in ("corpus.jsonl", "rejected.jsonl")
        for record in read_records(directory / name)
    }
    for thread, record_id in threads.items():
        told = _told(record_id, ended.get(record_id))
        metadata = {"graph_id": graph_of(directory), **told}
        body = {"thread_id": thread, "metadata": metadata, "if_exists": "do_nothing"}
        _request(f"{address}/threads", body)


def _told(record_id: str, record: Record | None) -> dict[str, str]:
    if record is None:
        return {"record_id": record_id, "outcome": "in work"}
    outcome = "rejected" if record.reason else "accepted"
    return {"record_id": record_id, "outcome": outcome, "topic": record.topic}


def _request(url: str, body: Mapping[str, Any] | None = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    with opener.open(request, timeout=30) as answer:
        answer.read()
