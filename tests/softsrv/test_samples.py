"""The files that samples and candidates lie in: resumed, torn, broken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.errors import MetaSynthError, RequestError
from metasynth.softsrv.sampling.samples import (
    Candidate,
    Sample,
    SampleFile,
    read_candidates,
    read_samples,
    write_candidates,
)
from tests.raising import raises


def sample(number: int, text: str = "How many?") -> Sample:
    return Sample(text, "target-1", number, seed=7, stopped=True, tokens=5)


def test_a_stopped_run_goes_on_at_the_next_number(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "samples.jsonl"
    with SampleFile(path) as file:
        assert file.next_number == 0
        file.append(sample(0))
        file.append(sample(1, "two\u2028lines\n\x85here"))
    with SampleFile(path) as file:
        assert file.next_number == 2
        file.append(sample(2))
    assert [row.number for row in read_samples(path)] == [0, 1, 2]
    assert list(read_samples(path))[1].text == "two\u2028lines\n\x85here"


@given(cut=st.integers(0, 400))
def test_a_kill_at_any_byte_loses_the_torn_sample_alone(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("samples") / "samples.jsonl"
    with SampleFile(path) as file:
        for number in range(3):
            file.append(sample(number, "é" * 20))
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    whole = content.count(b"\n")
    assert list(read_samples(path)) == [sample(n, "é" * 20) for n in range(whole)]
    with SampleFile(path) as file:
        assert file.next_number == whole
        for number in range(whole, 3):
            file.append(sample(number, "é" * 20))
    assert list(read_samples(path)) == [sample(n, "é" * 20) for n in range(3)]


def test_a_sample_is_never_written_twice(tmp_path: Path) -> None:
    with SampleFile(tmp_path / "samples.jsonl") as file:
        file.append(sample(3))
        assert file.next_number == 4
        with pytest.raises(ValueError, match="written already"):
            file.append(sample(3))


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"{}",
        b"\xff",
        b'{"text": "a", "context_id": "", "number": true, "cluster": 1}',
        b'{"text": "a", "context_id": "", "number": 1, "cluster": 1, "more": 1}',
        b"",
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "candidates.jsonl"
    write_candidates(path, [Candidate("a", "", 0, 2)])
    with path.open("ab") as file:
        file.write(line + b"\n")
    with raises(MetaSynthError, "bad_line", "candidates.jsonl, line 2: "):
        list(read_candidates(path))


def test_files_of_two_runs_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    with SampleFile(path) as file:
        file.append(sample(1))
    path.write_bytes(path.read_bytes() * 2)
    with raises(MetaSynthError, "bad_order", "sample 1 "):
        SampleFile(path)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    assert list(read_samples(tmp_path / "missing.jsonl")) == []
    with raises(RequestError, "unreadable_file"):
        list(read_samples(tmp_path))
    with raises(RequestError, "not_writable"):
        SampleFile(tmp_path)


def test_candidates_come_back_as_they_were(tmp_path: Path) -> None:
    candidates = [Candidate("é\n“x”", "target-1", 4, 0), Candidate("", "", 9, 699)]
    write_candidates(tmp_path / "candidates.jsonl", candidates)
    assert list(read_candidates(tmp_path / "candidates.jsonl")) == candidates
    write_candidates(tmp_path / "candidates.jsonl", [])
    assert list(read_candidates(tmp_path / "candidates.jsonl")) == []
