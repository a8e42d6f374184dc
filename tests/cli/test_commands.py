"""The command line: what it prints where, and with which exit status it ends."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metasynth.cli.main import main
from metasynth.compose.graphs import GRAPHS
from metasynth.config.file import load_run_config
from metasynth.records.rundir import RunDirectory
from tests.commands import Done

ROOT = Path(__file__).parent.parent.parent
VALID = "name: trial\ndomain: finance\nseeds: {keywords: [garden lamp, 'oven, tray']}\n"
ROLE = "name: critic\ntitle: Critic\ndescription: Finds faults.\ninstructions: Find faults.\n"


def loaded_by(*commands: list[str]) -> set[str]:
    """The modules that commands have imported when they end, one after the other."""
    code = (
        "import sys\n"
        "from metasynth.cli.main import main\n"
        f"for arguments in {commands!r}:\n"
        "    sys.argv = ['metasynth', *arguments]\n"
        "    try:\n        main()\n    except SystemExit as ended:\n        assert not ended.code\n"
        "print('loaded:', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rpartition("loaded: ")[2].split())
    assert "metasynth.cli.main" in loaded
    return loaded


Call = Callable[..., Done]


@pytest.fixture
def metasynth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """The command line in this process, started in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["metasynth", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(VALID, encoding="utf-8")
    return path


def one_line(done: Done) -> str:
    assert done.status == 2, done
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    return done.err


class TestHelp:
    COMMANDS = (
        "run",
        "preview",
        "validate",
        "explain",
        "export",
        "graph",
        "doctor",
        "roles",
        "softsrv",
    )

    def test_it_names_every_command_and_goes_to_stdout(self, metasynth: Call) -> None:
        done = metasynth("--help")
        assert done.status == 0
        assert done.err == ""
        for command in self.COMMANDS:
            assert re.search(rf"^  {command} ", done.out, re.MULTILINE), command

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_explains_itself(self, metasynth: Call, command: str) -> None:
        done = metasynth(command, "--help")
        assert (done.status, done.err) == (0, "")
        assert f"Usage: metasynth {command}" in done.out

    @pytest.mark.parametrize("arguments", [[], ["roles"], ["softsrv"]])
    def test_without_a_command_it_is_shown_as_an_error(
        self, metasynth: Call, arguments: list[str]
    ) -> None:
        done = metasynth(*arguments)
        assert (done.status, done.out) == (2, "")
        assert "Usage: metasynth" in done.err
        assert "Traceback" not in done.err

    def test_it_loads_nothing_slow(self) -> None:
        commands: list[list[str]] = [
            [],
            ["run"],
            ["roles"],
            ["softsrv", "train"],
            ["student", "score"],
        ]
        slow = {"torch", "chromadb", "transformers", "langgraph", "langchain_core", "numpy"}
        assert not slow & loaded_by(*([*command, "--help"] for command in commands))

    def test_checks_of_a_hosted_run_load_no_torch(self) -> None:
        loaded = loaded_by(["validate", str(ROOT / "examples" / "finance.yaml")])
        assert not {"torch", "chromadb", "transformers"} & loaded

    def test_the_module_is_the_command(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "metasynth", "--help"], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert "Usage: " in done.stdout


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["nosuch"], "No such command 'nosuch'"),
            (["run"], "Missing argument 'CONFIG'"),
            (["run", "a", "b"], "unexpected extra argument"),
            (["run", "--nosuch"], "No such option: --nosuch"),
            (["run", "a", "--out"], "--out"),
            (["export", "a", "b", "--to", "csv"], "--to"),
            (["preview", "a", "--records", "0"], "--records"),
            (["preview", "a", "--records", "many"], "--records"),
            (["roles", "nosuch"], "No such command 'nosuch'"),
        ],
    )
    def test_a_wrong_call_is_told_in_one_line(
        self, metasynth: Call, arguments: list[str], expected: str
    ) -> None:
        assert expected in one_line(metasynth(*arguments))


class TestValidate:
    @pytest.mark.parametrize(
        "path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem
    )
    def test_every_example_is_valid(self, metasynth: Call, path: Path) -> None:
        there: tuple[str, ...] = ()
        if path.stem in ("finance-instruct", "biomedicine-instruct"):  # of a run that is not here
            documents = ROOT / "examples" / "instruct-demo" / "documents.jsonl"
            there = ("--set", f"seeds.documents={documents}")
        done = metasynth("validate", path, *there)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(f"{path}: valid\n")

    def test_it_says_what_would_be_used(self, metasynth: Call, run_file: Path) -> None:
        done = metasynth("validate", run_file, "--set", "teacher.model=openai:x")
        assert done.status == 0
        facts = dict(line.split(maxsplit=1) for line in done.out.splitlines()[1:])
        assert (facts["seeds"], facts["conductor"], facts["experts"]) == (
            "2",
            "openai:x",
            "openai:x",
        )
        assert len(facts["identity"]) == 16

    def test_a_price_that_is_missing_is_a_warning_except_of_a_server_of_ones_own(
        self, metasynth: Call, run_file: Path
    ) -> None:
        asked = ("--set", "teacher.model=openai:x", "--set", "budget.usd=1")
        done = metasynth("validate", run_file, *asked)
        assert done.status == 0
        assert done.err.startswith("warning: budget.usd: ") and "openai:x" in done.err
        own = ("--set", "teacher.base_url=http://192.168.0.7:8000/v1")
        assert metasynth("validate", run_file, *asked, *own).err == ""

    def test_it_says_every_limit(self, metasynth: Call, run_file: Path) -> None:
        limits = ("--set", "budget.records=3", "--set", "budget.calls=1200")
        assert (
            "  budget     3 records, 1,200 calls\n"
            in metasynth("validate", run_file, *limits, "--set", "budget.tokens=null").out
        )

    def test_it_starts_nothing(self, metasynth: Call, run_file: Path, tmp_path: Path) -> None:
        metasynth("validate", run_file)
        assert list(tmp_path.iterdir()) == [run_file]

    def test_roles_of_an_option_are_looked_at_too(
        self, metasynth: Call, run_file: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "critic.yaml").write_text(ROLE, encoding="utf-8")
        assert "critic" in metasynth("validate", run_file, "--roles", "own").out
        (tmp_path / "own" / "critic.yaml").write_text(ROLE + "tone: x\n", encoding="utf-8")
        assert "critic.yaml: line 5: unknown key 'tone'" in one_line(
            metasynth("validate", run_file, "--roles", "own")
        )


WRONG = {
    "not YAML": ("domain: [\n", [], "run.yaml, line 2"),
    "no mapping": ("", [], "expected a mapping"),
    "unknown key": (VALID + "bugdet: {}\n", [], "bugdet: unknown key (did you mean 'budget'?)"),
    "wrong type": (VALID + "concurrency: x\n", [], "concurrency: "),
    "a key with a line break": (VALID + '"a\\nb": 1\n', [], "unknown key"),
    "no seeds": ("domain: d\n", [], "give exactly one of keywords"),
    "empty seed set": ("domain: d\nseeds: {keywords: [' , ']}\n", [], "the seed set is empty"),
    "missing documents": ("domain: d\nseeds: {documents: x.txt}\n", [], "no such file"),
    "missing keyword file": ("domain: d\nseeds: {keywords_file: x}\n", [], "no such file"),
    "missing roles": (VALID + "roles: nowhere\n", [], "roles: no such directory"),
    "missing --roles": (VALID, ["--roles", "nowhere"], "--roles: no such directory: nowhere"),
    "wrong --set": (VALID, ["--set", "gate.tries"], "expected key.path=value"),
    "unknown checker": (VALID + "checker: oracle\n", [], "no checker 'oracle'"),
    "wrong model": (VALID + "teacher: {model: gpt}\n", [], "teacher.model: no provider 'gpt'"),
}


class TestWrongRequests:
    @pytest.mark.parametrize("command", ["run", "preview", "validate"])
    @pytest.mark.parametrize("case", WRONG)
    def test_each_ends_with_one_line_before_anything_starts(
        self, metasynth: Call, run_file: Path, tmp_path: Path, command: str, case: str
    ) -> None:
        text, options, expected = WRONG[case]
        run_file.write_text(text, encoding="utf-8")
        assert expected in one_line(metasynth(command, run_file, *options))
        assert list(tmp_path.iterdir()) == [run_file]

    @pytest.mark.parametrize("command", ["run", "preview", "validate", "doctor"])
    def test_a_missing_run_file(self, metasynth: Call, command: str) -> None:
        assert "nowhere.yaml: no such file" in one_line(metasynth(command, "nowhere.yaml"))

    def test_a_directory_that_cannot_be_written(self, metasynth: Call, run_file: Path) -> None:
        for place in (run_file, run_file / "below", Path("/proc/self/run")):
            assert "cannot be written" in one_line(metasynth("run", run_file, "--out", place))

    def test_a_run_directory_of_another_configuration(
        self, metasynth: Call, run_file: Path, tmp_path: Path
    ) -> None:
        RunDirectory(tmp_path / "out").open({}, identity="other").close()
        (tmp_path / "out" / "rejected.jsonl").write_text("{}\n")
        before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        said = one_line(metasynth("run", run_file, "--out", "out"))
        assert "out: belongs to another configuration" in said
        assert "give another --out" in said
        assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before

    def test_a_run_directory_in_use(self, metasynth: Call, run_file: Path, tmp_path: Path) -> None:
        identity = load_run_config(run_file).identity()
        with RunDirectory(tmp_path / "out").open({}, identity=identity):
            said = one_line(metasynth("run", run_file, "--out", "out"))
        assert "another process is running in it" in said

    @pytest.mark.parametrize(
        "arguments", [["explain", "nowhere", "id"], ["export", "nowhere", "x.jsonl"]]
    )
    def test_a_directory_that_is_no_run(self, metasynth: Call, arguments: list[str]) -> None:
        assert "nowhere: no run directory" in one_line(metasynth(*arguments))

    def test_a_record_that_is_not_there(self, metasynth: Call, tmp_path: Path) -> None:
        RunDirectory(tmp_path / "out").open({}, identity="x").close()
        assert "no record 'r1'" in one_line(metasynth("explain", "out", "r1"))

    def test_a_failure_that_is_nobodys_request_has_status_1(
        self, metasynth: Call, tmp_path: Path
    ) -> None:
        RunDirectory(tmp_path / "out").open({"config": {}}, identity="x").close()
        done = metasynth("export", "out", "x.jsonl")
        assert done.status == 1
        assert done.err == "error: out: the corpus is empty, there is nothing to export\n"

    def test_a_process_ends_the_same_way(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "metasynth", "validate", str(tmp_path / "x.yaml")],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "40"},
        )
        assert one_line(Done(done.returncode, done.stdout, done.stderr)).endswith("no such file\n")


class TestGraph:
    @pytest.mark.parametrize(
        ("name", "nodes"),
        [
            ("document", ["brief", "conductor", "consult", "decide", "gate", "admit", "reject"]),
            ("template", ["seed", "write", "gate"]),
            ("corpus", ["open", "chain", "close"]),
            (
                "instruct",
                [
                    *("brief", "conductor", "consult", "decide", "gate", "answer", "review"),
                    *("follow_up", "score", "admit", "reject"),
                ],
            ),
            (
                "softsrv",
                [*("contexts", "sample", "postprocess", "close"), "answer", "gate", "admit"],
            ),
        ],
    )
    def test_it_is_drawn_as_mermaid_text(
        self, metasynth: Call, name: str, nodes: list[str]
    ) -> None:
        done = metasynth("graph", name)
        assert (done.status, done.err) == (0, "")
        assert "graph TD;" in done.out
        for node in nodes:
            assert f"{node}(" in done.out

    def test_an_unknown_graph_is_told_with_the_known_ones(self, metasynth: Call) -> None:
        said = one_line(metasynth("graph", "novel"))
        assert "no graph 'novel'" in said
        assert all(name in said for name in sorted(GRAPHS))

    def test_a_picture_without_graphviz_says_what_to_install(
        self, metasynth: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        done = metasynth("graph", "document", "--png", "x.png")
        assert done.status == 1
        assert done.err.count("\n") == 1
        assert "install the package graphviz" in done.err
