"""The run directory: one process, one configuration, no half files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from metasynth.errors import RequestError
from metasynth.records.rundir import RunDirectory, write_atomically
from tests.raising import raises

HOLD = """
import sys
from pathlib import Path
from metasynth.records.rundir import RunDirectory
with RunDirectory(Path(sys.argv[1])).open({}, identity="one"):
    print("held", flush=True)
    sys.stdin.read()
"""
WRITE_FOREVER = """
import sys
from pathlib import Path
from metasynth.records.rundir import write_atomically
path, number = Path(sys.argv[1]), 0
while True:
    write_atomically(path, f"{number}\\n" * 20_000)
    number += 1
    print(number, flush=True)
"""


def test_a_new_folder_is_made_and_says_whose_it_is(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "run"
    with RunDirectory(root).open({"config": {"name": "x"}}, identity="abc") as directory:
        assert directory.identity() == "abc"
    written = yaml.safe_load((root / "run.yaml").read_text(encoding="utf-8"))
    assert written == {"identity": "abc", "config": {"name": "x"}}


@given(digits=st.text("0123456789abcdef", min_size=16, max_size=16) | st.just("1234567890123e45"))
def test_any_identity_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, digits: str
) -> None:
    root = tmp_path_factory.mktemp("run")
    for _ in range(2):
        with RunDirectory(root).open({}, identity=digits) as directory:
            assert directory.identity() == digits


def test_a_second_opening_in_this_process_is_refused(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path).open({}, identity="one"),
        raises(RequestError, "directory_in_use"),
    ):
        RunDirectory(tmp_path).open({}, identity="one")


def test_a_second_process_is_refused_and_the_folder_is_free_once_it_is_killed(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with raises(RequestError, "directory_in_use"):
            RunDirectory(tmp_path).open({}, identity="one")
        holder.kill()
    RunDirectory(tmp_path).open({}, identity="one").close()


def test_a_folder_without_records_is_free_for_a_corrected_configuration(tmp_path: Path) -> None:
    RunDirectory(tmp_path).open({"config": 1}, identity="one").close()
    (tmp_path / "corpus.jsonl").touch()
    RunDirectory(tmp_path).open({"config": 2}, identity="two").close()
    assert RunDirectory(tmp_path).identity() == "two"


def test_another_configuration_is_refused_and_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    RunDirectory(tmp_path).open({"config": 1}, identity="one").close()
    (tmp_path / "rejected.jsonl").write_text("{}\n")
    before = (tmp_path / "run.yaml").read_bytes()
    with raises(RequestError, "other_identity") as caught:
        RunDirectory(tmp_path).open({"config": 2}, identity="two")
    assert caught.value.hint
    assert (tmp_path / "run.yaml").read_bytes() == before
    RunDirectory(tmp_path).open({"config": 1}, identity="one").close()


def test_which_keys_differ_is_told_with_both_values(tmp_path: Path) -> None:
    earlier = {"gate": {"min_distance": 0.1, "ngram": 5}, "name": "a", "budget": {"calls": 1}}
    now = {"gate": {"min_distance": 0.2, "ngram": 5}, "name": "b", "budget": {"calls": 2}}
    RunDirectory(tmp_path).open({"config": earlier}, identity="one").close()
    (tmp_path / "corpus.jsonl").write_text("{}\n")
    with raises(RequestError, "other_identity") as told:
        RunDirectory(tmp_path).open({"config": now}, identity="two", free=("name", "budget.calls"))
    assert told.value.message.endswith("configuration: gate.min_distance was 0.1, is 0.2")
    with raises(RequestError, "other_identity") as told:
        RunDirectory(tmp_path).open({"config": earlier}, identity="two")
    assert "seeds" in told.value.message


def test_a_corpus_that_nobody_claims_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").touch()
    with raises(RequestError, "no_run_file"):
        RunDirectory(tmp_path).open({}, identity="one")


@pytest.mark.parametrize("content", [b"identity: [", b"\xff\xfe"])
def test_a_run_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.yaml").write_bytes(content)
    with raises(RequestError, "unreadable_file"):
        RunDirectory(tmp_path).open({}, identity="one")


class TestUnwritable:
    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for root in (tmp_path / "file", tmp_path / "file" / "run"):
            with raises(RequestError, "not_writable"):
                RunDirectory(root).open({}, identity="one")

    def test_a_place_that_takes_no_files(self) -> None:
        with raises(RequestError, "not_writable"):
            RunDirectory(Path("/proc/self/run")).open({}, identity="one")

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_a_folder_of_somebody_else(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with raises(RequestError, "not_writable"):
            RunDirectory(tmp_path).open({}, identity="one")

    def test_a_run_file_that_cannot_be_replaced_frees_the_folder_again(
        self, tmp_path: Path
    ) -> None:
        blocker = tmp_path / "run.yaml.partial"
        blocker.mkdir()
        with raises(RequestError, "not_writable"):
            RunDirectory(tmp_path).open({}, identity="one")
        blocker.rmdir()
        RunDirectory(tmp_path).open({}, identity="one").close()


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path).open({}, identity="one")
    directory.close()
    directory.close()


def test_an_atomic_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_atomically(path, "old\r\n")
    write_atomically(path, "new\r\nä")
    assert path.read_bytes() == "new\r\nä".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for rounds in range(1, 6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(rounds):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == 20_000
        assert len(set(lines)) == 1
