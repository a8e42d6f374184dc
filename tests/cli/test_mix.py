"""`metasynth mix`: a file for continued pre-training, and what it says of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_export import ASKED, instructions, loaded
from tests.commands import failure, metasynth
from tests.run_folders import records, write_run
from tests.tiny_lm import END, tiny_tokenizer


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    tiny_tokenizer().save_pretrained(tmp_path / "chat")
    tiny_tokenizer(template=None).save_pretrained(tmp_path / "base")
    rows = [{"body": record.text} for record in records(30, start=500)]
    (tmp_path / "crawl.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "documents": write_run(tmp_path / "documents", records(20)),
        "asked": write_run(tmp_path / "asked", instructions(40), **ASKED),
        "crawl": tmp_path / "crawl.jsonl",
        "chat": tmp_path / "chat",
        "base": tmp_path / "base",
    }


def note(path: Path) -> Any:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def test_real_and_synthetic_texts_one_to_one(
    sources: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mix.parquet"
    given = (sources["crawl"], sources["documents"], "--field", "body", "--length", 100)
    assert metasynth("mix", path, *given, "--tokenizer", sources["base"]) == 0
    said, told = capsys.readouterr().out, note(path)
    rows = loaded(path, tmp_path)
    assert sum(map(len, rows["input_ids"])) == told["tokens"]
    assert {len(ids) for ids in rows["input_ids"][:-1]} == {100}
    parts = told["sources"]
    assert parts["documents"]["documents"] == parts["documents"]["documents_there"] == 20
    assert abs(parts["crawl"]["tokens"] - parts["documents"]["tokens"]) < 500  # one document
    assert f"{parts['crawl']['tokens']:,} tokens" in said
    whole = str(tiny_tokenizer().decode([token for ids in rows["input_ids"] for token in ids]))
    texts = whole.split(END)
    assert texts.pop() == ""
    known = {record.text for record in (*records(20), *records(30, start=500))}
    assert len(set(texts)) == len(texts) == sum(one["documents"] for one in parts.values())
    assert set(texts) <= known


def test_the_same_seed_makes_the_same_file(sources: dict[str, Path], tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ("--tokenizer", sources["base"], "--seed", seed, "--tokens", 3000)
        path = tmp_path / f"{name}.jsonl"
        assert metasynth("mix", path, sources["documents"], *options) == 0
    same, other = (note(tmp_path / f"{name}.jsonl")["sha256"] for name in "bc")
    assert note(tmp_path / "a.jsonl")["sha256"] == same != other


@pytest.mark.parametrize(
    ("tokenizer", "form", "expected"),
    [
        ("chat", "auto", f"<|user|>How much are 1 and three?<|ai|>It is 4.{END}"),
        ("base", "auto", "Question: How much are 1 and three?\n\nAnswer: It is 4."),
        ("chat", "plain", "Question: How much are 1 and three?\n\nAnswer: It is 4."),
    ],
)
def test_instructions_are_text_by_the_template_or_plain(
    sources: dict[str, Path], tmp_path: Path, tokenizer: str, form: str, expected: str
) -> None:
    path = tmp_path / "mix.jsonl"
    options = ("--tokenizer", sources[tokenizer], "--instructions", form, "--unpacked")
    given = (sources["documents"], sources["asked"], "--shares", "3:1")
    assert metasynth("mix", path, *given, *options) == 0
    rows = loaded(path, tmp_path)
    assert expected in rows["text"]
    assert set(rows["source"]) == {"documents", "asked"}
    counts = note(path)["sources"]
    for name in ("documents", "asked"):
        own = [row["tokens"] for row in rows if row["source"] == name]
        assert (sum(own), len(own)) == (counts[name]["tokens"], counts[name]["documents"])
    assert counts["documents"]["share"] == pytest.approx(0.75, abs=0.1)
    if tokenizer == "chat" and form == "auto":  # the template ends a turn as a document ends
        row = next(row for row in rows if row["text"] == expected)
        assert len(tiny_tokenizer()(expected)["input_ids"]) == row["tokens"]


def test_what_cannot_be_is_told_and_nothing_written(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    base = ("--tokenizer", sources["base"])
    run, out = sources["documents"], tmp_path / "x.parquet"
    tiny = tiny_tokenizer()
    tiny.eos_token = None
    tiny.save_pretrained(tmp_path / "endless")
    empty = write_run(tmp_path / "empty", [])
    for arguments, code in (
        ((out, run, *base, "--tokens", 10**6), "too_few_tokens"),
        ((out, run, *base, "--tokens", 4), "empty_share"),
        ((tmp_path / "x.csv", run, *base), "wrong_format"),
        ((out, run, *base, "--shares", "1:0"), "invalid_shares"),
        ((out, run, sources["asked"], *base, "--shares", "1"), "invalid_shares"),
        ((out, run, run, *base), "taken_name"),
        ((out, empty, *base), "empty_corpus"),
        ((out, run, "--tokenizer", tmp_path / "endless"), "no_end_token"),
        ((out, sources["asked"], *base, "--instructions", "template"), "no_chat_template"),
    ):
        refused = failure("mix", *arguments)
        assert (refused.code, refused.exit_status) == (code, 2)
        assert not [*tmp_path.glob("x.*"), *tmp_path.glob(".x*")]
    for arguments, named in (
        ((out, tmp_path / "nowhere", *base), "no such file or folder"),
        ((out, run, "--tokenizer", tmp_path / "nowhere"), "no model folder at"),
    ):
        assert named in failure("mix", *arguments).message
    assert metasynth("mix", out, run, *base) == 0
    assert failure("mix", out, run, *base).code == "exists"
    assert metasynth("mix", out, run, *base, "--force") == 0
