"""What the program adds to a model call, beside bare clients, on one local server.

    python -m benchmarks.orchestration [--records 100 500] [--documents 20 60] [--in-flight 50]
        [--only template document instruct] [--embedder default]

Every line is a process of its own that is run at two sizes; what a row costs is the slope between
the two, so that the start does not count. `graph: template` runs with the gate's limits off, as
nothing else here has a gate; `document` and `instruct` with a scripted conductor and the gate on.
The floor is the bare openai SDK plus a compiled LangGraph of five empty nodes. Processor time and
ratios within one run are the figures; requests a second say something of a machine that is idle.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
LATENCY_S = 0.05
BARE = 6  # times as many records for bare clients, whose start weighs more than a record
GRAPHS = ("template", "document", "instruct")
_EMBEDDER = """
import shutil, sys
from tests.commands import fast_embedder
shutil.copytree(fast_embedder(), sys.argv[1])
"""
_RUN_FILE = """
import sys
from pathlib import Path
from tests.instruct_runs import documents, run_file
run_file(Path(sys.argv[1]), documents(int(sys.argv[2])))
"""
_SHORT = {"gate.min_words": 30, "gate.max_words": 90, "gate.min_distance": 0.02}
_NO_LIMITS = {
    "gate.min_distance": 0,
    "gate.max_ngram_overlap": 1,
    "gate.max_same_opening": 10**6,
    "gate.min_seed_words": 0,
}


@dataclass(frozen=True)
class Run:
    """One process at one size.

    Attributes:
        cpu: Seconds of processor time, user's and system's.
        rss: Most memory in MiB.
        first: Seconds until the server had its first request.
        counts: The server's.
        files: Bytes by file of the run directory.
    """

    records: int
    cpu: float
    rss: float
    first: float
    counts: dict[str, float]
    files: dict[str, int] = field(default_factory=dict)


class Server:
    """The scripted server in its process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self._address = f"http://127.0.0.1:{port}"

    @property
    def url(self) -> str:
        """What a client needs."""
        return f"{self._address}/v1"

    def counts(self) -> dict[str, float]:
        """What it has seen since the last time."""
        with urllib.request.urlopen(f"{self._address}/counts") as answer:
            counts: dict[str, float] = json.load(answer)
            return counts


@contextmanager
def served(plays: str) -> Iterator[Server]:
    """A server until the block ends."""
    command = [sys.executable, "-m", "benchmarks.orchestration_server", "0", str(LATENCY_S), plays]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Server(process, int(process.stdout.readline()))
    finally:
        process.communicate()


def measured(command: Sequence[str], server: Server, records: int, out: Path | None = None) -> Run:
    """Carry a command out.

    Raises:
        RuntimeError: It failed.
    """
    server.counts()
    began = time.time()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"status {process.returncode}: {' '.join(command)}")
    counts = server.counts()
    first = counts["first"] - began if counts["requests"] else 0.0
    files = {} if out is None else _bytes(out)
    return Run(records, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, first, counts, files)


def _bytes(out: Path) -> dict[str, int]:
    """Bytes of a run directory by what lies at its top, without the journals of SQLite."""
    sizes: dict[str, int] = {}
    for path in out.rglob("*"):
        if path.is_file():
            name = path.relative_to(out).parts[0].removesuffix("-wal").removesuffix("-shm")
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return sizes


def client(kind: str, server: Server, records: int, in_flight: int) -> Run:
    """A bare client."""
    command = [sys.executable, "-m", "benchmarks.orchestration_clients", kind, server.url]
    return measured([*command, str(records), str(in_flight)], server, records)


def ours(
    graph: str, folder: Path, server: Server, records: int, in_flight: int, embedder: str
) -> Run:
    """`metasynth run`."""
    out = folder / f"{graph}-{records}"
    file = ROOT / "examples" / "finance.yaml"
    changes: dict[str, object] = {**_SHORT, "graph": graph}
    if graph == "template":
        changes |= _NO_LIMITS
    if graph == "instruct":
        file = folder / "run.yaml"
        changes = {"instruct.per_document": 1000}
    changes |= {
        "teacher.base_url": server.url,
        "memory.embedder": embedder,
        "budget.records": records,
        "budget.usd": "null",
        "concurrency": in_flight,
    }
    command = [sys.executable, "-m", "metasynth", "run", str(file), "--quiet", "--out", str(out)]
    for name, value in changes.items():
        command += ["--set", f"{name}={value}"]
    return measured(command, server, records, out)


@dataclass(frozen=True)
class Line:
    """A row of the table: the same work at two sizes."""

    name: str
    small: Run
    large: Run

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time a record, by the slope."""
        return self._slope(self.large.cpu, self.small.cpu) * 1000

    @property
    def calls(self) -> float:
        """Requests a record."""
        return self._slope(self.large.counts["requests"], self.small.counts["requests"])

    def bytes_a_record(self) -> dict[str, float]:
        """By file, the largest first."""
        names = sorted(self.large.files, key=lambda name: -self.large.files[name])
        return {
            name: self._slope(self.large.files[name], self.small.files.get(name, 0))
            for name in names
        }

    def _slope(self, large: float, small: float) -> float:
        return (large - small) / (self.large.records - self.small.records)

    def row(self) -> list[str]:
        """For the table."""
        counts, calls = self.large.counts, self.calls
        a_call = self.cpu_ms / calls if calls else 0.0
        rate = counts["requests"] / counts["seconds"] if counts["seconds"] else 0.0
        return [
            self.name,
            f"{self.small.records}, {self.large.records}",
            f"{rate:.0f}",
            f"{counts['most_in_flight']:.0f}",
            f"{counts['mean_in_flight']:.1f}",
            f"{self.cpu_ms:.2f}",
            f"{a_call:.2f}",
            f"{self.large.rss:.0f}",
            f"{self.large.first:.2f}",
        ]


_HEAD = ["", "records", "req/s", "most", "mean", "ms/record", "ms/call", "MiB", "first s"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def main() -> None:
    """Print the table, what the files take, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, nargs=2, default=[100, 500])
    parser.add_argument("--documents", type=int, nargs=2, default=[20, 60])
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--only", nargs="*", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument("--embedder", help="of our runs; by default a static one, made here")
    options = parser.parse_args()
    width, rows = options.in_flight, [_HEAD]
    lines: dict[str, Line] = {}

    def add(name: str, small: Run, large: Run) -> None:
        lines[name] = Line(name, small, large)
        print(table([_HEAD, lines[name].row()]), flush=True)
        rows.append(lines[name].row())

    with tempfile.TemporaryDirectory(prefix="metasynth-") as made:
        folder = Path(made)
        embedder = options.embedder or str(folder / "embedder")
        if not options.embedder:
            _python(_EMBEDDER, embedder)
        _python(_RUN_FILE, str(folder), str(max(options.documents)))
        with served("document") as server:
            for kind in ("aiohttp", "sdk", "langgraph"):
                add(kind, *(client(kind, server, BARE * size, width) for size in options.records))
        for graph in options.only:
            with served("instruct" if graph == "instruct" else "document") as server:
                sizes = options.records if graph == "template" else options.documents
                runs = (ours(graph, folder, server, size, width, embedder) for size in sizes)
                add(graph, *runs)
    print("\n" + table(rows))
    _report(lines)


def _report(lines: dict[str, Line]) -> None:
    floor = lines["sdk"].cpu_ms + lines["langgraph"].cpu_ms
    print(f"\nfloor (sdk + five empty nodes): {floor:.2f} ms")
    for name in GRAPHS:
        if name in lines:
            line = lines[name]
            a_call = line.cpu_ms / max(line.calls, 1e-9)
            sdk = lines["sdk"].cpu_ms
            print(f"{name}: {line.cpu_ms / floor:.1f} x the floor a record, ", end="")
            print(f"{a_call / sdk:.1f} x the sdk a call, ", end="")
            print(f"first request {line.large.first / lines['sdk'].large.first:.1f} x the sdk's")
            sizes = line.bytes_a_record()
            told = ", ".join(f"{file} {size / 1000:.1f}" for file, size in sizes.items() if size)
            print(f"{name}: {sum(sizes.values()) / 1000:.1f} kB a record: {told}")


def _python(code: str, *args: str) -> None:
    subprocess.run([sys.executable, "-c", code, *args], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
