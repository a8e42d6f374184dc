"""`metasynth …` for whole-run tests: in this process, or in one of its own that can be killed.

The processes are forked from a server that has imported the slow libraries once, so that a start
takes a moment instead of many seconds; apart from that they are what the shell would start.
"""

import atexit
import functools
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from langgraph.store.base import IndexConfig

from metasynth.cli.main import app, guarded, main
from metasynth.errors import MetaSynthError
from metasynth.memory.ledger import Ledger
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.record import Record, read_records
from metasynth.records.rundir import RunDirectory
from tests.address_guard import PATH_VARIABLE
from tests.word_embeddings import WordEmbeddings

FINANCE = Path(__file__).parent.parent / "examples" / "finance.yaml"
DIMS = 96
_SLOW = ("metasynth.compose", "metasynth.cli.execution", "langgraph.checkpoint.sqlite.aio")
_SLOWER = (
    *("langchain_openai", "openai.resources.chat", "anyio._backends._asyncio", "chromadb.api.rust"),
    *("sentence_transformers", "py3langid", "tests.packaged_roles"),
)


def metasynth(*args: object) -> int:
    """The command in this process; its exit status."""
    return guarded(lambda: app([str(arg) for arg in args], standalone_mode=False))


class Done(NamedTuple):
    """How a command in this process has ended, with what it printed."""

    status: int
    out: str
    err: str
    code: str = ""
    progress: str | tuple[str, ...] = ()

    @property
    def data(self) -> Any:
        """What was printed for machines."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def is_refused(self, code: str, *facts: object) -> None:
        """One line says what was wrong with the request, with these facts, after progress."""
        assert (self.status, self.code) == (2, code), self
        assert self.out == ""
        *earlier, last = self.err.splitlines()
        assert all(line.startswith(self.progress) for line in earlier), self.err
        assert last.startswith("error: "), self.err
        for fact in facts:
            assert str(fact) in last


def done(
    capsys: pytest.CaptureFixture[str], *args: object, progress: str | tuple[str, ...] = ()
) -> Done:
    """How the command ends in this process; lines of its progress begin with `progress`."""
    codes: list[str] = []

    def command() -> Any:
        try:
            return app([str(arg) for arg in args], standalone_mode=False)
        except MetaSynthError as error:
            codes.append(error.code)
            raise

    status = guarded(command)
    return Done(status, *capsys.readouterr(), "".join(codes), progress)


def failure(*args: object) -> MetaSynthError:
    """What the command ends with in this process, for a test that asks for the error's code."""
    try:
        status = app([str(arg) for arg in args], standalone_mode=False)
    except MetaSynthError as error:
        assert "\n" not in error.message
        return error
    raise AssertionError(f"it ended with status {status}")


@dataclass(frozen=True)
class Ended:
    """How a command in a process of its own has ended; a signal's number is negative."""

    status: int
    stdout: str
    stderr: str


class Command:
    """`metasynth ARGS` in a process of its own, as a context manager that leaves none behind.

    Args:
        folder: Where the files `stdout` and `stderr` are written.
        stdin: A file or terminal that the command reads from.
    """

    def __init__(self, *args: object, folder: Path, stdin: str = os.devnull) -> None:
        self._folder = folder
        given = ([*map(str, args)], folder, stdin, dict(os.environ))
        self._process = _context().Process(target=_command, args=given)
        self._process.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait_for(self, start: str) -> None:
        """Wait until stderr begins so."""
        path = self._folder / "stderr"
        while not (path.exists() and path.read_text().startswith(start)):
            self._process.join(0.01)
            assert self._process.is_alive(), path.read_text()

    def is_alive(self, seconds: float) -> bool:
        """Whether it still runs after so long."""
        self._process.join(seconds)
        return self._process.is_alive()

    def end(self) -> Ended:
        """Wait for the end."""
        self._process.join()
        assert self._process.exitcode is not None
        stdout, stderr = ((self._folder / name).read_text() for name in ("stdout", "stderr"))
        return Ended(self._process.exitcode, stdout, stderr)

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _command(args: list[str], folder: Path, stdin: str, environment: dict[str, str]) -> None:
    """Runs in the new process, with the environment that the test has by now."""
    os.environ.update(environment)
    sys.stdin = Path(stdin).open()  # noqa: SIM115 - multiprocessing closes what was there
    os.dup2(sys.stdin.fileno(), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.argv = ["metasynth", *args]
    main()


def addresses() -> set[str]:
    """Whom all commands in processes of their own have spoken to, since before the imports."""
    return set(_addresses().read_text().split())


@functools.cache
def _addresses() -> Path:
    return _folder() / "addresses"


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="metasynth-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _context() -> ForkServerContext:
    os.environ[PATH_VARIABLE] = str(_addresses())
    # One thread: a forked process cannot use the pool that its parent may have started.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.address_guard", *_SLOW, *_SLOWER])
    return context


def settings(**values: object) -> list[str]:
    """`--set` for each value; `__` in a name stands for the dot."""
    return [
        part
        for name, value in values.items()
        for part in ("--set", f"{name.replace('__', '.')}={value}")
    ]


def small_run(base_url: str, **values: object) -> list[str]:
    """Arguments of a run of `examples/finance.yaml` that is quick: short texts, fast vectors."""
    quick: Mapping[str, object] = {
        "teacher__base_url": base_url,
        "gate__min_words": 30,
        "gate__max_words": 90,
        "gate__min_distance": 0.02,
        "memory__embedder": fast_embedder(),
        "budget__records": 8,
        "concurrency": 8,
    }
    return ["run", str(FINANCE), "--quiet", *settings(**{**quick, **values})]


@functools.cache
def fast_embedder() -> Path:
    """A sentence-transformers model whose vectors are means of random vectors of words."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    known = (Path(__file__).with_name("prose.py").read_text() + FINANCE.read_text()).lower()
    words = ["?", *sorted(set(re.findall(r"[a-z]+", known)))]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.randn(len(words), DIMS, generator=torch.Generator().manual_seed(0))
    module = StaticEmbedding(tokenizer, embedding_weights=weights.numpy())
    SentenceTransformer(modules=[module]).save(str(_folder() / "embedder"))
    return _folder() / "embedder"


def corpus_of(directory: Path) -> list[Record]:
    """The records of a run directory."""
    return list(read_records(directory / "corpus.jsonl"))


def calls_in(directory: Path) -> int:
    """How many calls the ledger of a run directory holds."""
    ledger = Ledger(directory / "ledger.sqlite")
    try:
        return ledger.totals().calls
    finally:
        ledger.close()


async def remembered_in(directory: Path) -> set[str]:
    """The ids of the records that the store of a run directory holds, whole."""
    identity = RunDirectory(directory).identity()
    index: IndexConfig = {"dims": DIMS, "embed": WordEmbeddings(DIMS), "fields": ["text"]}
    with ChromaStore.open(directory / "memory", index=index, name=f"run-{identity}") as store:
        found = [
            {item.key for item in await store.asearch((name,), limit=10_000)}
            for name in ("summaries", "openings")
        ]
    assert found[0] == found[1]
    return found[0]
