"""The corpus keeps each record once, whole, and in order."""

import threading
from pathlib import Path

import pytest

from metasynth.errors import MetaSynthError, RequestError
from metasynth.memory.corpus import Corpus
from metasynth.records.record import Record
from tests.raising import raises

HOSTILE = (
    '“a” {{b}} {% x %} """ \x00\x1b[31m \u2028\u2029\x85 \r\n <tool_call>{"name": 1}</tool_call> 𝄞'
)


def record(id_: str, *, text: str = "text", reason: str | None = None) -> Record:
    return Record(id=id_, text=text, reason=reason)


def test_what_is_accepted_comes_back_in_order(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    records = [record(f"r{n}", text=f"{n} {HOSTILE}") for n in range(5)]
    assert all(corpus.accept(each) for each in records)
    assert list(corpus.records()) == records
    assert corpus.find("r3") == records[3]
    assert corpus.find("r9") is None
    corpus.close()
    again = Corpus(tmp_path)
    assert list(again.records()) == records
    assert again.accepted == 5
    assert again.find("r4") == records[4]
    again.close()


def test_an_id_enters_once_and_into_one_file(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    assert corpus.accept(record("a"))
    assert not corpus.accept(record("a", text="other"))
    assert not corpus.reject(record("a", reason="too_close"))
    assert corpus.reject(record("b", reason="too_close"))
    assert not corpus.accept(record("b"))
    assert (corpus.accepted, corpus.rejected) == (1, 1)
    assert "a" in corpus
    assert "b" in corpus
    assert "c" not in corpus
    assert corpus.is_accepted("a")
    assert not corpus.is_accepted("b")
    assert not corpus.is_accepted("c")
    corpus.close()


def test_reasons_are_counted_by_code(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    for number, reason in enumerate(["too_close: r1 at 0.1", "too_close", "too_long: 900: words"]):
        corpus.reject(record(f"r{number}", reason=reason))
    assert corpus.reasons() == {"too_close": 2, "too_long": 1}
    corpus.close()
    again = Corpus(tmp_path)
    assert again.reasons() == {"too_close": 2, "too_long": 1}
    assert [each.id for each in again.rejected_records()] == ["r0", "r1", "r2"]
    again.close()


def test_a_record_goes_only_where_it_belongs(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    with pytest.raises(ValueError, match="reason"):
        corpus.accept(record("a", reason="too_close"))
    with pytest.raises(ValueError, match="reason"):
        corpus.reject(record("a"))
    corpus.close()


@pytest.mark.parametrize("cut", [1, 2, 20, 0])
def test_half_a_last_line_is_removed(tmp_path: Path, cut: int) -> None:
    whole = record("a", text="é" * 100_000).to_line().encode()
    torn = record("b", text="ü" * 100_000).to_line().encode()
    torn = torn[: len(torn) // 2] if cut == 0 else torn[: -1 - cut]
    (tmp_path / "corpus.jsonl").write_bytes(whole + torn)
    corpus = Corpus(tmp_path)
    assert [each.id for each in corpus.records()] == ["a"]
    assert corpus.accept(record("b"))
    assert [each.id for each in corpus.records()] == ["a", "b"]
    assert corpus.find("b") == record("b")
    corpus.close()


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    lines = record("a").to_line() + record("b").to_line()
    (tmp_path / "corpus.jsonl").write_bytes(lines.encode()[:-1])
    corpus = Corpus(tmp_path)
    assert corpus.accept(record("c"))
    assert [each.id for each in corpus.records()] == ["a", "b", "c"]
    corpus.close()


def test_a_file_that_is_only_half_a_line(tmp_path: Path) -> None:
    (tmp_path / "rejected.jsonl").write_bytes(b'{"id": "a", "te')
    corpus = Corpus(tmp_path)
    assert corpus.rejected == 0
    assert (tmp_path / "rejected.jsonl").read_bytes() == b""
    corpus.close()


@pytest.mark.parametrize("broken", ["{", "", '{"id": 3}', '{"id": "x", "unknown": 1}'])
def test_a_broken_line_in_the_middle_is_refused_and_named(tmp_path: Path, broken: str) -> None:
    lines = record("a").to_line() + broken + "\n" + record("b").to_line()
    (tmp_path / "corpus.jsonl").write_text(lines)
    with raises(MetaSynthError, "bad_record") as raised:
        Corpus(tmp_path)
    assert raised.value.hint
    assert (tmp_path / "corpus.jsonl").read_text() == lines


def test_an_id_in_both_files_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(record("a").to_line())
    (tmp_path / "rejected.jsonl").write_text(record("a", reason="x").to_line())
    with raises(MetaSynthError, "taken_id"):
        Corpus(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises(RequestError, "not_writable"):
        Corpus(tmp_path / "file")


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    taken: list[bool] = []

    def write(worker: int) -> None:
        for number in range(10):
            corpus.accept(record(f"w{worker}-{number}", text="x" * 5000))
            taken.append(corpus.accept(record(f"shared-{number}")))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 10
    assert corpus.accepted == 50
    assert len({each.id for each in corpus.records()}) == 50
    corpus.close()


def test_many_records_leave_no_texts_in_memory(tmp_path: Path) -> None:
    text = "word " * 1000
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number in range(3000):
            file.write(record(f"r{number}", text=text).to_line())
    import tracemalloc

    tracemalloc.start()
    corpus = Corpus(tmp_path)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert corpus.accepted == 3000
    assert held < 3000 * 500  # the texts are 5,000 bytes each
    assert corpus.find("r2999") is not None
    corpus.close()
