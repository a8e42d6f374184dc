"""The Python API: what `from metasynth import …` gives, lazily, and that it works in a notebook."""

import ast
import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

import metasynth
from metasynth.errors import ConfigError, RequestError, RunInterruptedError
from metasynth.graphs.run.state import CorpusState
from metasynth.records.record import Record
from tests.commands import FINANCE, small_run
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher
from tests.test_architecture import SLOW

DEMO = FINANCE.with_name("demo.yaml")


def test_every_name_is_there() -> None:
    for name in metasynth.__all__:
        assert getattr(metasynth, name) is not None
    assert set(metasynth.__all__) <= set(dir(metasynth))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        metasynth.runn  # noqa: B018


def test_type_checkers_see_the_names_that_are_there() -> None:
    tree = ast.parse(Path(metasynth.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == metasynth._HOME


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, metasynth; of_ours = [m for m in sys.modules if m.startswith('metasynth.')]\n"
        "print(*of_ours); metasynth.run; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert done[0] == ""
    assert not (SLOW | {"openai"}) & set(done[1].split())


class TestChanges:
    def test_a_changed_run_file_is_checked_as_a_whole(self) -> None:
        config = metasynth.load_run_config(DEMO)
        assert config.changed("budget.records=3").budget.records == 3
        assert config.budget.records == 24
        with raises(ConfigError, "unknown_key"):
            config.changed("budget.record=3")

    def test_what_was_not_changed_stays_what_it_was(self) -> None:
        config = metasynth.load_run_config(DEMO)
        assert config.changed() == config
        other = config.changed("teacher.temperature=0.5")
        assert other.model_for("conductor").temperature == 0.5
        assert other.model_for("experts").temperature == 1.0  # the section's own
        assert config.changed("budget.records=3").identity() == config.identity()


@pytest.fixture(scope="module")
def config() -> Iterator[metasynth.RunConfig]:
    """A run of one record; the page on Python, carried out, has the embedded model."""
    with OpenAIServer(Teacher()) as server:
        changes = small_run(server.base_url, budget__records=1, concurrency=1)[4::2]
        yield metasynth.load_run_config(FINANCE).changed(*changes)


class TestRun:
    def test_it_runs_inside_a_running_loop_and_goes_on(
        self, config: metasynth.RunConfig, tmp_path: Path
    ) -> None:
        seen: list[metasynth.Progress] = []
        threads = set()

        def watch(now: metasynth.Progress) -> None:
            seen.append(now)
            threads.add(threading.current_thread())

        async def cell() -> metasynth.RunResult:
            return metasynth.run(config, tmp_path / "run", progress=watch)

        result = asyncio.run(cell())
        assert (result.accepted, result.complete) == (1, True)
        assert threading.current_thread() not in threads
        assert (seen[0].done, seen[-1].done, seen[-1].wanted) == (0, 1, 1)
        more = metasynth.run(config.changed("budget.records=2"), tmp_path / "run")
        records = list(more.records())
        assert len(records) == 2
        assert records[0] in list(metasynth.read_records(result.directory))
        assert isinstance(records[0], Record)

    def test_what_a_callback_raises_ends_the_run_in_good_order(
        self, config: metasynth.RunConfig, tmp_path: Path
    ) -> None:
        def stop(_: metasynth.Progress) -> None:
            raise RunInterruptedError("enough")

        with pytest.raises(RunInterruptedError, match="enough"):
            metasynth.run(config, tmp_path / "run", progress=stop)
        assert metasynth.run(config, tmp_path / "run").accepted == 1  # the directory was let go

    def test_an_interrupt_of_the_cell_ends_the_run_in_good_order(
        self, config: metasynth.RunConfig, tmp_path: Path
    ) -> None:
        main = threading.main_thread().ident
        assert main is not None
        sent: list[int] = []

        def interrupt(_: metasynth.Progress) -> None:
            if not sent:
                sent.append(signal.SIGINT)
                signal.pthread_kill(main, signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            metasynth.run(config, tmp_path / "run", progress=interrupt)
        assert metasynth.run(config, tmp_path / "run").accepted == 1

    def test_somebody_must_be_there_to_review(
        self, config: metasynth.RunConfig, tmp_path: Path
    ) -> None:
        asked = config.changed("review.ask=true")
        with raises(RequestError, "no_reviewer"):
            metasynth.run(asked, tmp_path / "run")

        async def accept(_: dict[str, object]) -> dict[str, object]:
            return {"decision": "accept"}

        (record,) = metasynth.run(asked, tmp_path / "run", review=accept).records()
        assert record.review is not None

    def test_a_preview_leaves_nothing(
        self, config: metasynth.RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        preview = metasynth.preview(config.changed("budget.records=5"), 1)
        assert len(preview.records) == 1
        assert preview.forecast is not None
        assert preview.forecast.calls >= 5
        assert not list(tmp_path.iterdir())


async def test_the_graph_is_a_node_of_an_application_with_checkpoints(
    config: metasynth.RunConfig, tmp_path: Path
) -> None:
    async with metasynth.compiled_graph(config, tmp_path / "run") as corpus:
        app = StateGraph(CorpusState)
        app.add_node("corpus", corpus)
        app.add_edge(START, "corpus")
        app.add_edge("corpus", END)
        compiled = app.compile(checkpointer=InMemorySaver())
        final = await compiled.ainvoke({"chains": 1}, {"configurable": {"thread_id": "1"}})
    assert final["accepted"] == 1
    assert len(list(metasynth.read_records(tmp_path / "run"))) == 1
