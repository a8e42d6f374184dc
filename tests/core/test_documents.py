"""Documents to ask about: another run's records, with their ids, or the user's own texts."""

import json
from pathlib import Path
from typing import Any

from metasynth.config.run import SeedsConfig
from metasynth.errors import ConfigError, MetaSynthError
from metasynth.records.documents import load_documents
from metasynth.records.record import Message, Record
from tests.raising import raises


def corpus(folder: Path, *records: Record) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "corpus.jsonl").write_text("".join(record.to_line() for record in records))
    (folder / "rejected.jsonl").write_text(
        Record(id="no", text="a rejected text", reason="too_close: x").to_line()
    )
    (folder / "run.yaml").write_text("config: {}\n")
    return folder


def load(source: Path, **more: Any) -> list[tuple[str, str]]:
    config = SeedsConfig(documents=str(source), **more)
    return [(document.id, document.text) for document in load_documents(config, random_seed=0)]


def test_a_run_directory_gives_its_accepted_documents_with_their_ids(tmp_path: Path) -> None:
    asked = Record(id="q", kind="instruction", messages=[Message(role="user", content="Why?")])
    first = Record(id="a-1", text="One text.", topic="texts", summary="It is one.")
    run = corpus(tmp_path / "run", first, asked, Record(id="a-2", text="  Two. "))
    assert load(run) == [("a-1", "One text."), ("a-2", "Two.")]
    assert load(run / "corpus.jsonl") == load(run)
    found = load_documents(SeedsConfig(documents=str(run)), random_seed=0)[0]
    assert (found.topic, found.summary) == ("texts", "It is one.")


def test_own_texts_are_read_as_seeds_are(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"text": "Mine."}) + "\n")
    (tmp_path / "note.txt").write_text("A note.")
    found = load(tmp_path)
    assert sorted(text for _, text in found) == ["A note.", "Mine."]
    assert all(id_.startswith("seed-") for id_, _ in found)


def test_long_documents_are_cut_and_a_large_pool_is_sampled(tmp_path: Path) -> None:
    texts = [Record(id=f"d-{n}", text=f"{n} " + "word " * 50_000) for n in range(6)]
    run = corpus(tmp_path / "run", *texts)
    found = load(run, max_words=30, limit=3)
    assert len(found) == 3
    assert all(len(text.split()) == 30 for _, text in found)
    assert found == load(run, max_words=30, limit=3)


def test_empty_and_damaged_files_are_named(tmp_path: Path) -> None:
    asked = Record(id="q", kind="instruction", messages=[Message(role="user", content="Why?")])
    for name, records in (
        ("none", ()),
        ("asked", (asked,)),
        ("blank", (Record(id="b", text=" "),)),
    ):
        with raises(ConfigError, "no_documents"):
            load(corpus(tmp_path / name, *records))
    run = corpus(tmp_path / "torn", Record(id="a", text="Text."))
    with (run / "corpus.jsonl").open("a") as file:
        file.write('{"id": "b", "te')
    with raises(MetaSynthError, "bad_record", "line 2"):
        load(run)
