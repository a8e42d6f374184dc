"""`metasynth export`: what is written, that it loads, and what is refused."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, load_dataset  # type: ignore[import-untyped]

from metasynth.records.record import CheckerResult, Generation, Message, Record, RejectedAnswer
from metasynth.records.shape import LINEAGE, SHAPES
from tests.commands import failure, metasynth
from tests.run_folders import records, write_run

ASKED: dict[str, Any] = {"graph": "instruct", "seeds": {"documents": "documents.jsonl"}}
DRAFT = "It is nine, because three and three are nine."


def turns(*texts: str) -> list[Message]:
    """A conversation of these texts, the user's first."""
    roles = ("user", "assistant")
    return [Message(role=roles[n % 2], content=text) for n, text in enumerate(texts)]  # type: ignore[arg-type]


def instructions(count: int = 6) -> list[Record]:
    """Every third one has two turns; every second one an answer that was not kept."""
    return [
        Record(
            id=f"abc-01-{number:05d}",
            kind="instruction",
            messages=turns(
                f"How much are {number} and three?",
                f"It is {number + 3}.",
                *(["And twice that?", f"It is {2 * number + 6}."] if number % 3 == 0 else []),
            ),
            persona="a sceptical clerk",
            parent_ids=[f"doc-{number}"],
            seed_ids=[f"doc-{number}"],
            experts=["document_transformation", "answer_expert"],
            rejected_answers=[
                RejectedAnswer(turn=1, content=DRAFT, by="checker", reason="wrong"),
                RejectedAnswer(turn=3, content="never answered", by="gate", reason="cut"),
            ]
            if number % 2
            else None,
            source="instruct",
            checker=CheckerResult(passed=True, detail="right") if number % 2 else None,
            generation=Generation(models={"conductor": "openai:writer"}, config_hash="abc"),
        )
        for number in range(count)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", instructions(), name="asked", **ASKED)


def loaded(path: Path, tmp_path: Path, name: str | None = None) -> Dataset:
    """A file or a folder as a user of `datasets` loads it."""
    cache = str(tmp_path / "cache")
    if path.is_dir():
        return load_dataset(str(path), name, split="train", cache_dir=cache)
    kind = "json" if path.suffix == ".jsonl" else "parquet"
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=cache)


EXPECTED: dict[str, tuple[list[str], int]] = {
    "chat": (["messages"], 6),
    "prompt": (["prompt", "completion"], 8),
    "preferences": (["prompt", "chosen", "rejected"], 3),
    "sharegpt": (["conversations"], 6),
    "text": (["text"], 6),
    "records": (["messages", "rejected_answers", "checker", "generation"], 6),
}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_every_shape_loads_with_datasets(run: Path, tmp_path: Path, ending: str) -> None:
    for shape, (columns, count) in EXPECTED.items():
        path = tmp_path / f"{shape}.{ending}"
        assert metasynth("export", run, path, "--to", shape) == 0
        rows = loaded(path, tmp_path)
        assert len(rows) == count
        assert {*columns, "id", "parent_ids", "experts"} <= set(rows.column_names)
        assert rows[0]["experts"] == ["document_transformation", "answer_expert"]
        assert rows[0]["parent_ids"][0].startswith("doc-")


def row(path: Path, number: int = 0) -> Any:
    return json.loads(path.read_text(encoding="utf-8").splitlines()[number])


def test_the_shapes_hold_what_trainers_document(run: Path, tmp_path: Path) -> None:
    first, second = turns("How much are 0 and three?", "It is 3."), turns("And twice that?")
    for shape in ("chat", "prompt", "preferences", "sharegpt", "text"):
        assert metasynth("export", run, tmp_path / f"{shape}.jsonl", "--to", shape) == 0
    chat = row(tmp_path / "chat.jsonl")["messages"]
    assert [one["role"] for one in chat] == ["user", "assistant"] * 2
    answered = row(tmp_path / "prompt.jsonl", 1)
    assert answered["prompt"] == [one.model_dump() for one in (*first, *second)]
    assert answered["completion"] == [{"role": "assistant", "content": "It is 6."}]
    pair = row(tmp_path / "preferences.jsonl")
    assert pair["prompt"] == [{"role": "user", "content": "How much are 1 and three?"}]
    assert pair["chosen"] == [{"role": "assistant", "content": "It is 4."}]
    assert pair["rejected"] == [{"role": "assistant", "content": DRAFT}]
    assert (pair["by"], pair["turn"]) == ("checker", 1)
    shared = row(tmp_path / "sharegpt.jsonl")["conversations"]
    assert shared[:2] == [
        {"from": "human", "value": "How much are 0 and three?"},
        {"from": "gpt", "value": "It is 3."},
    ]
    assert row(tmp_path / "text.jsonl", 1)["text"] == (
        "Question: How much are 1 and three?\n\nAnswer: It is 4."
    )


def test_plain_text_is_what_the_turns_are_joined_to(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    assert metasynth("export", run, path, "--to", "prompt", "--plain") == 0
    whole = row(path, 1)
    assert whole["prompt"] + whole["completion"] == (
        "Question: How much are 0 and three?\n\nAnswer: It is 3.\n\n"
        "Question: And twice that?\n\nAnswer: It is 6."
    )


def test_a_run_of_documents_has_texts_and_conversations(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", records(5))
    assert metasynth("export", run, tmp_path / "chat.parquet", "--to", "chat") == 0
    assert metasynth("export", run, tmp_path / "folder") == 0
    chat, text = loaded(tmp_path / "chat.parquet", tmp_path), loaded(tmp_path / "folder", tmp_path)
    assert chat[0]["messages"][0]["content"] == "Write a letter about: topic 0."
    assert text[0]["text"] == records(1)[0].text == chat[0]["messages"][1]["content"]
    with pytest.raises(ValueError, match="preferences"):
        loaded(tmp_path / "folder", tmp_path, "preferences")


def test_what_stands_in_no_first_row_is_not_lost_in_a_table(run: Path, tmp_path: Path) -> None:
    assert metasynth("export", run, tmp_path / "x.parquet") == 0
    rows = loaded(tmp_path / "x.parquet", tmp_path)
    assert rows[0]["rejected_answers"] is None
    assert rows[1]["rejected_answers"][0]["content"] == DRAFT
    assert json.loads(rows[1]["checker"]) == {"passed": True, "detail": "right"}


class TestFolder:
    def test_it_loads_with_every_shape_that_the_run_has(self, run: Path, tmp_path: Path) -> None:
        assert metasynth("export", run, tmp_path / "hub", "--to", "hf") == 0
        counts = {"chat": 6, "preferences": 3, "records": 6}
        for name, count in counts.items():
            assert len(loaded(tmp_path / "hub", tmp_path, name)) == count
        assert loaded(tmp_path / "hub", tmp_path).column_names[0] == "messages"

    def test_its_card_is_written_from_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-tell-anyone-about-this")
        written = write_run(
            tmp_path / "written",
            records(4),
            name="stories",
            seeds={"keywords": ["a, b"], "license": "CC0-1.0"},
        )
        run = write_run(
            tmp_path / "run",
            instructions(),
            [instructions(1)[0].model_copy(update={"reason": "too_close: like another"})],
            name="asked",
            graph="instruct",
            seeds={"documents": str(written), "max_words": 123},
            domain={"name": "sums", "description": "sk-do-not-tell-anyone-about-this"},
        )
        measured = {
            "corpora": [{"label": "asked", "role": "run", "accepted": 6}],
            "metrics": {
                "vendi_score": {
                    "title": "Vendi score",
                    "better": "higher",
                    "values": {"asked": {"value": 4.25, "interval": [4.0, 4.5]}},
                }
            },
            "comparison": "all in one",
            "limits": ["One run of each."],
        }
        (run / "metrics.json").write_text(json.dumps(measured), encoding="utf-8")
        assert metasynth("export", run, tmp_path / "hub") == 0
        card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
        _, front, body = card.split("---\n", 2)
        assert yaml.safe_load(front)["configs"][0] == {
            "config_name": "chat",
            "data_files": "chat.parquet",
            "default": True,
        }
        assert yaml.safe_load(front)["license"] == "unknown"
        for told in (
            "- the accepted records of the run `stories`, graph `document`\n  - 1 keyword sets",
            "Of what it started from: `CC0-1.0`",
            "`openai:writer`",
            "rejected for too_close (1)",
            "| Vendi score | higher | 4.25 [4, 4.5] |",
            "- One run of each.",
            "configuration hash: `abc`",
            "| all | ",
            "seeds.max_words: 123",
        ):
            assert told in body, told
        assert "sk-do-not-tell" not in card
        assert str(tmp_path) not in card
        assert "localhost" not in card

    def test_it_says_what_is_not_known(self, run: Path, tmp_path: Path) -> None:
        assert metasynth("export", run, tmp_path / "hub", "--to", "chat") == 0
        card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
        assert "Of what it started from: unknown" in card
        assert "Not measured" in card
        assert sorted(file.name for file in (tmp_path / "hub").iterdir()) == [
            "README.md",
            "chat.parquet",
        ]


class TestRefusals:
    def test_nothing_is_written_over_unless_told(self, run: Path, tmp_path: Path) -> None:
        for path in (tmp_path / "x.jsonl", tmp_path / "hub"):
            assert metasynth("export", run, path) == 0
            before = sorted(file.stat().st_mtime_ns for file in [path, *path.rglob("*")])
            refused = failure("export", run, path)
            assert (refused.code, refused.hint) == ("exists", "--force writes over it")
            after = sorted(file.stat().st_mtime_ns for file in [path, *path.rglob("*")])
            assert after == before
            assert metasynth("export", run, path, "--to", "chat", "--force", *_hf(path)) == 0

    def test_a_folder_of_something_else_stays(self, run: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("years of work")
        refused = failure("export", run, tmp_path / "mine", "--force")
        assert refused.code == "foreign"
        assert "thesis.tex" in refused.message
        assert (tmp_path / "mine" / "thesis.tex").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "named"),
        [
            (["x.csv"], "wrong_format", "x.csv"),
            (["x.parquet", "--to", "jsonl"], "wrong_format", "--to jsonl: x.parquet"),
            (["x.jsonl", "--to", "chat", "--plain"], "no_plain_form", "chat"),
            (["x", "--plain"], "no_plain_form", "plain"),
            (["x.jsonl", "--to", "chatt"], "unknown_part", "did you mean 'chat'?"),
            (["run/run.yaml/x.jsonl"], "not_writable", "run.yaml/x.jsonl"),
            (["run/x.jsonl", "--to", "preferences"], "no_rows", "'preferences'"),
        ],
    )
    def test_what_cannot_be_is_told_in_one_line(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: Sequence[str],
        code: str,
        named: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_run(tmp_path / "run", instructions(1), **ASKED)
        refused = failure("export", "run", *arguments)
        assert refused.code == code
        assert named in refused.message
        assert not [*tmp_path.glob(".*"), *tmp_path.glob("run/.*partial")]

    def test_an_empty_corpus_is_told_and_nothing_written(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", [])
        for name in ("x.jsonl", "hub"):
            assert failure("export", run, tmp_path / name).code == "empty_corpus"
            assert not (tmp_path / name).exists()


def _hf(path: Path) -> list[str]:
    return [] if path.suffix else ["--to", "hf"]


ALPACA = """
from metasynth.records.shape import shape


@shape(
    "an instruction with its first answer",
    columns={"instruction": "string", "output": "string"},
    kinds=("instruction",),
    formats=("jsonl",),
)
def of_record(record):
    yield {"instruction": record.messages[0].content, "output": record.messages[1].content}
"""


class TestPlugins:
    """A shape of one's own is one file, and is called by the file's name."""

    @pytest.fixture
    def plugins(self, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "parts"
        folder.mkdir()
        yield folder
        for file in folder.glob("*.py"):
            SHAPES.forget(file.stem)

    def test_a_shape_from_a_folder_is_exported(
        self, run: Path, plugins: Path, tmp_path: Path
    ) -> None:
        (plugins / "alpaca.py").write_text(ALPACA)
        to = ("--to", "alpaca", "--plugins", plugins)
        assert metasynth("export", run, tmp_path / "x.jsonl", *to) == 0
        first = row(tmp_path / "x.jsonl")
        assert first["instruction"] == "How much are 0 and three?"
        assert first["output"] == "It is 3."
        assert list(first)[2:] == list(LINEAGE)
        assert failure("export", run, tmp_path / "x.parquet", *to).code == "wrong_format"
        documents = write_run(tmp_path / "documents", records(2))
        assert failure("export", documents, tmp_path / "y.jsonl", *to).code == "no_rows"

    @pytest.mark.parametrize(
        ("body", "code"),
        [("yield {'n': record.title}", "bad_part"), ("yield {'n': object()}", "bad_rows")],
    )
    @pytest.mark.parametrize("ending", ["jsonl", "parquet"])
    def test_one_that_fails_is_told_in_one_line(
        self, run: Path, plugins: Path, tmp_path: Path, body: str, code: str, ending: str
    ) -> None:
        (plugins / "faulty.py").write_text(
            "from metasynth.records.shape import shape\n"
            "@shape('', columns={'n': 'int'})\n"
            f"def rows(record):\n    {body}\n"
        )
        path = tmp_path / f"x.{ending}"
        refused = failure("export", run, path, "--to", "faulty", "--plugins", plugins)
        assert refused.code == code
        assert not path.exists()

    def test_a_folder_that_is_not_there(self, run: Path, tmp_path: Path) -> None:
        refused = failure("export", run, tmp_path / "x.jsonl", "--plugins", tmp_path / "none")
        assert refused.code == "missing_directory"
