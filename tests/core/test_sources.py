"""Files of users: every kind is read, each text has its place, and nothing is dropped unsaid."""

import csv
import gzip
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.config.run import SeedsConfig
from metasynth.errors import ConfigError
from metasynth.records.seed_file import read_seeds, write_seeds
from metasynth.records.seeds import Seed, load_seeds
from metasynth.sources.chunks import ChunkLimits, chunked
from metasynth.sources.passage import Passage, Place
from metasynth.sources.reading import SourceReport
from tests.document_files import CHINESE, HTML, epub, pdf, write_office
from tests.raising import raises

COFFEE = Path(__file__).parents[3] / "shared" / "inputs" / "coffee"


def read(source: Path | str, **more: Any) -> tuple[list[Seed], SourceReport]:
    report = SourceReport()
    config = SeedsConfig(documents=str(source), **more)
    return load_seeds(config, random_seed=0, report=report), report


def texts_of(source: Path | str, **more: Any) -> list[str]:
    return [seed.text for seed in read(source, **more)[0]]


def places_of(seeds: list[Seed]) -> list[Place]:
    return [seed.place for seed in seeds if seed.place is not None]


class TestKinds:
    def test_pages_of_a_pdf_are_cited_and_empty_ones_said(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.PDF"
        file.write_bytes(pdf(["Steam hisses.", "Decaf is brown.", "", "The end."]))
        seeds, report = read(file)
        assert [seed.text for seed in seeds] == ["Steam hisses.", "Decaf is brown.", "The end."]
        assert [place.page for place in places_of(seeds)] == [1, 2, 4]
        assert report.files[0].kind == "pdf"
        assert report.files[0].words == 7
        assert "1 of 4 pages without text" in report.files[0].notes[0]

    def test_office_files_and_books(self, tmp_path: Path) -> None:
        write_office(tmp_path)
        chapters = ["<h1>One</h1><p>First words.</p>", "<h1>Two</h1><p>Last words.</p>"]
        (tmp_path / "book.epub").write_bytes(epub("A book", chapters))
        (tmp_path / "page.html").write_text(HTML, encoding="utf-8")
        seeds, report = read(tmp_path)
        kinds = {Path(file.path).name: file.kind for file in report.files}
        assert kinds == {
            "batches.xlsx": "xlsx",
            "book.epub": "epub",
            "filters.docx": "docx",
            "milk.pptx": "pptx",
            "page.html": "html",
        }
        texts = {
            Path(place.file).suffix: seed.text
            for seed, place in zip(seeds, places_of(seeds), strict=True)
        }
        assert "tasted of rye bread" in texts[".xlsx"] and "NaN" not in texts[".xlsx"]
        assert "First words." in texts[".epub"] and "Last words." in texts[".epub"]
        assert "# Filters" in texts[".docx"] and "holds back the oils" in texts[".docx"]
        assert "Steam it to sixty degrees." in texts[".pptx"]
        assert "Finer slows the shot" in texts[".html"]
        assert not any(word in texts[".html"] for word in ("evil", "<p>", "p {}"))

    def test_front_matter_is_metadata_and_no_text(self, tmp_path: Path) -> None:
        file = tmp_path / "note.md"
        file.write_text(
            "\ufeff---\ntitle: Cupping\ntags: [coffee]\ndate: 2025-01-16\n---\n\n# Cups\n\nFive.\n",
            encoding="utf-8",
        )
        (seed,) = read(file)[0]
        assert seed.text == "# Cups\n\nFive."
        assert seed.metadata == {"title": "Cupping", "tags": ["coffee"], "date": "2025-01-16"}
        assert seed.place is not None and seed.place.heading == "Cups"

    @pytest.mark.parametrize("head", ["---\n", "---\nno yaml: [\n---\n", "--- a\n---\n", "----\n"])
    def test_what_only_looks_like_front_matter_is_text(self, tmp_path: Path, head: str) -> None:
        (tmp_path / "a.md").write_text(f"{head}Words.\n", encoding="utf-8")
        assert "Words." in texts_of(tmp_path / "a.md")[0]

    @pytest.mark.parametrize(
        ("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.TAB", "\t")]
    )
    def test_tables(self, tmp_path: Path, name: str, delimiter: str) -> None:
        with (tmp_path / name).open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([["id", "text"], ["1", 'two\nlines, a "quote"; all'], ["2", ""]])
        seeds, report = read(tmp_path / name)
        assert [seed.text for seed in seeds] == ['two\nlines, a "quote"; all']
        assert places_of(seeds)[0].row == 2
        assert report.files[0].blank == 1

    def test_a_table_without_a_text_column_gives_its_cells(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("batch,note\n831,hay\n739,\n", encoding="utf-8")
        assert texts_of(tmp_path / "a.csv") == ["batch: 831\nnote: hay", "batch: 739"]
        assert texts_of(tmp_path / "a.csv", text_field="note") == ["hay"]
        with raises(ConfigError, "missing_field"):
            read(tmp_path / "a.csv", text_field="nothing")

    @pytest.mark.parametrize(
        ("content", "line", "code"),
        [
            ("text\na\nb,c\n", "line 3", "bad_row"),
            ('text\na\n"open\n', "line 3", "bad_row"),
            ("text,text\na,b\n", "'text'", "same_column"),
        ],
    )
    def test_a_broken_row_of_a_table_is_named(
        self, tmp_path: Path, content: str, line: str, code: str
    ) -> None:
        (tmp_path / "a.csv").write_text(content, encoding="utf-8")
        with raises(ConfigError, code) as raised:
            read(tmp_path / "a.csv")
        assert line in raised.value.message

    @pytest.mark.parametrize(
        "content",
        [
            '[{"text": "one"}, {"text": "two"}]',
            '\n\n[\n  {"text": "one"},\n  {"text": "two"}\n]\n',
            '{"text": "one"}\n{"text": "two"}\n',
            '{"version": 1, "data": [{"text": "one"}, {"text": "two"}]}',
            '{\n "data": [\n  {"text": "one"},\n  {"text": "two"}\n ]\n}',
        ],
    )
    def test_every_form_of_json(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "a.json").write_text(content, encoding="utf-8")
        assert texts_of(tmp_path / "a.json") == ["one", "two"]

    @pytest.mark.parametrize("content", ['[{"text": "one"}, {"te', '[{"text": "one"} x]', "[1,"])
    def test_a_broken_array_is_named(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "a.json").write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"a\.json, row "):
            read(tmp_path / "a.json")

    @given(rows=st.lists(st.text(max_size=30).map(lambda text: {"text": f"x{text}"}), max_size=8))
    @settings(max_examples=20, deadline=None)
    def test_an_array_is_its_elements(self, rows: list[Any]) -> None:
        from tempfile import TemporaryDirectory

        from metasynth.sources.json_array import json_rows

        with TemporaryDirectory() as folder:
            file = Path(folder, "a.json")
            file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            assert [row.value for row in json_rows(file)] == rows

    def test_chats_and_instructions(self, tmp_path: Path) -> None:
        rows = [
            {
                "messages": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "So."},
                ]
            },
            {
                "conversations": [
                    {"from": "human", "value": "Why?"},
                    {"from": "gpt", "value": "No."},
                ]
            },
            {"instruction": "Add.", "input": "1 and 2", "output": "3"},
            {"instruction": "Sing.", "input": "", "output": "La."},
            {"prompt": "Say", "completion": "this"},
        ]
        expected = [
            "Why?\n\nSo.",
            "Why?\n\nNo.",
            "Add.\n\n1 and 2\n\n3",
            "Sing.\n\nLa.",
            "Say\n\nthis",
        ]
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert texts_of(tmp_path / "a.jsonl") == expected
        pq.write_table(pa.Table.from_pylist(rows[1:2]), tmp_path / "a.parquet")
        assert texts_of(tmp_path / "a.parquet") == expected[1:2]
        (tmp_path / "b.jsonl").write_text(json.dumps(rows[0]))
        assert texts_of(tmp_path / "b.jsonl", text_field="messages") == expected[:1]

    def test_the_card_of_a_cloned_data_set_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        pq.write_table(pa.table({"text": ["a row"]}), tmp_path / "data" / "train.parquet")
        (tmp_path / "README.md").write_text("---\nlicense: mit\n---\nA data set.")
        (tmp_path / "dataset_infos.json").write_text("{}")
        (tmp_path / "story.md").write_text("A story.")
        seeds, report = read(tmp_path)
        assert [seed.text for seed in seeds] == ["a row", "A story."]
        assert {one.path.name for one in report.left_out} == {"README.md", "dataset_infos.json"}

    def test_a_readme_without_rows_is_a_text(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("Words.")
        assert texts_of(tmp_path) == ["Words."]

    def test_an_hf_set_whose_rows_do_not_cast_is_one_line(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
        pq.write_table(pa.table({"other": [1.5]}), tmp_path / "b.parquet")
        with pytest.raises(ConfigError) as raised:
            read(f"hf:{tmp_path}")
        assert raised.value.code == "hub_failed"
        assert "\n" not in raised.value.message


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
    @pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.jsonl", "a.json", "a.html"])
    def test_a_mark_decides(self, tmp_path: Path, encoding: str, name: str) -> None:
        word = "Café ☕ 咖啡"
        content = {
            "a.csv": f"text\n{word}\n",
            "a.jsonl": json.dumps({"text": word}, ensure_ascii=False) + "\n",
            "a.json": json.dumps([{"text": word}], ensure_ascii=False),
        }.get(name, word)
        mark = "\ufeff" if encoding == "utf-16-le" else ""
        (tmp_path / name).write_bytes((mark + content).encode(encoding))
        assert texts_of(tmp_path / name) == [word]

    def test_another_encoding_is_told_and_can_be_named(self, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_bytes("Der Röster prüft.".encode("cp1252"))
        with raises(ConfigError, "not_utf8") as raised:
            read(file)
        assert "Röster" in raised.value.message and "cp1252" in (raised.value.hint or "")
        assert texts_of(file, encoding="cp1252") == ["Der Röster prüft."]
        (tmp_path / "b.txt").write_text("Good.")
        seeds, report = read(tmp_path)
        assert [seed.text for seed in seeds] == ["Good."]
        assert report.left_out[0].path == file and "a.txt" in report.warnings[0]

    def test_an_unknown_encoding_is_refused(self) -> None:
        for name in ("klingon", "zlib"):
            with pytest.raises(ValueError, match="no encoding"):
                SeedsConfig(encoding=name)


class TestIrregular:
    """What blocks, never ends or leads nowhere is refused alone, and named in a folder."""

    @pytest.fixture
    def strange(self, tmp_path: Path) -> dict[str, Path]:
        paths = {
            name: tmp_path / f"{name}.txt" for name in ("pipe", "socket", "loop", "gone", "null")
        }
        os.mkfifo(paths["pipe"])
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(paths["socket"]))
        paths["loop"].symlink_to(paths["loop"])
        paths["gone"].symlink_to(tmp_path / "nowhere")
        paths["null"].symlink_to("/dev/zero")
        return paths

    def test_alone_each_is_refused(self, strange: dict[str, Path]) -> None:
        for path in strange.values():
            with raises(ConfigError, "unreadable_file") as raised:
                read(path)
            assert str(path) in raised.value.message

    def test_in_a_folder_each_is_named(self, strange: dict[str, Path], tmp_path: Path) -> None:
        (tmp_path / "good.txt").write_text("Good.")
        (tmp_path / "linked.txt").symlink_to(tmp_path / "good.txt")
        (tmp_path / "round").symlink_to(tmp_path)
        (tmp_path / "picture.png").write_bytes(b"\x89PNG")
        seeds, report = read(tmp_path)
        assert [seed.text for seed in seeds] == ["Good."]
        reasons = {one.path.name: one.reason for one in report.left_out}
        assert reasons == {
            "pipe.txt": "a named pipe",
            "socket.txt": "a socket",
            "loop.txt": "a loop of links",
            "gone.txt": "a link to nothing",
            "null.txt": "a device",
            "round": "a link to a folder",
            "picture.png": ".png: not read",
        }

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.pdf", b"%PDF-1.4 and no more"),
            ("a.docx", b"PK no zip"),
            ("a.xlsx", b""),
            ("a.epub", b"x" * 100),
            ("a.pptx", gzip.compress(b"x", mtime=0)),
            ("a.parquet", b"PAR1"),
        ],
    )
    def test_a_damaged_file_is_one_line(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError) as raised:
            read(tmp_path / name)
        assert raised.value.code in ("damaged_file", "not_parquet")
        assert name in raised.value.message and "\n" not in raised.value.message
        (tmp_path / "good.md").write_text("Good.")
        seeds, report = read(tmp_path)
        assert [seed.text for seed in seeds] == ["Good."]
        assert [one.path.name for one in report.left_out] == [name]

    def test_a_missing_extra_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.pdf").write_bytes(pdf(["x"]))
        code = (
            "import sys; sys.modules.update(pypdf=None, markitdown=None)\n"
            "from metasynth.config.run import SeedsConfig\n"
            "from metasynth.records.seeds import load_seeds\n"
            "try:\n    load_seeds(SeedsConfig(documents=sys.argv[1]), random_seed=0)\n"
            "except Exception as error:\n    print(error.code, error.message, error.hint)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "a.pdf")], capture_output=True, text=True
        )
        assert done.stdout.startswith("missing_extra ")
        assert "metasynth-agents[documents]" in done.stdout


class TestChunks:
    LIMITS = ChunkLimits(tokens=60, overlap=10, words=400)

    def chunks(self, text: str, kind: str = "markdown") -> list[Passage]:
        passage = Passage(text, Place("a.md", kind, end=len(text)))
        return list(chunked([passage], self.LIMITS))

    def test_a_chunk_knows_its_headings_and_its_range(self) -> None:
        sections = [f"## Part {n}\n\n" + f"Sentence {n} of it is here. " * 20 for n in range(3)]
        text = "# Book\n\nWords before.\n\n" + "\n\n".join(sections)
        chunks = self.chunks(text)
        assert {chunk.place.heading for chunk in chunks} == {
            "Book",
            *(f"Book > Part {n}" for n in range(3)),
        }
        for chunk in chunks:
            own = text[chunk.place.start : chunk.place.end]
            assert chunk.text.endswith(own)
            assert chunk.text.removesuffix(own).strip() in chunk.place.heading
            assert self.LIMITS.size(own) <= self.LIMITS.capacity

    def test_a_sign_in_a_block_of_code_is_no_heading(self) -> None:
        (chunk,) = self.chunks("# Real\n\n```\n# comment\n```\n\nAfter.")
        assert chunk.place.heading == "Real"

    @given(
        text=st.lists(
            st.sampled_from(
                ["word ", "Satz. ", "咖啡", "。", "\n", "\n\n", "# Kopf\n", "กาแฟ", "```\n"]
            ),
            max_size=400,
        ).map("".join)
    )
    @settings(deadline=None)
    def test_nothing_is_lost(self, text: str) -> None:
        covered = [False] * len(text)
        for chunk in self.chunks(text):
            covered[chunk.place.start : chunk.place.end] = [True] * (
                chunk.place.end - chunk.place.start
            )
        lost = "".join(char for char, there in zip(text, covered, strict=True) if not there)
        assert not lost.replace("# Kopf", "").strip()

    def test_a_book_is_read_to_its_end(self, tmp_path: Path) -> None:
        words = [f"w{number}" for number in range(60_000)]
        lines = [" ".join(words[start : start + 12]) + "." for start in range(0, len(words), 12)]
        (tmp_path / "book.txt").write_text("\n\n".join(lines), encoding="utf-8")
        seeds, report = read(tmp_path / "book.txt", chunk_overlap=0)
        assert report.files[0].words == len(words)
        assert len(seeds) == report.files[0].chunks > 100
        found = [word.strip(".") for seed in seeds for word in seed.text.split()]
        assert found == words
        text = (tmp_path / "book.txt").read_text(encoding="utf-8")
        for seed, place in zip(seeds, places_of(seeds), strict=True):
            assert text[place.start : place.end] == seed.text

    def test_a_text_without_blanks_is_cut(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text(CHINESE * 200, encoding="utf-8")
        seeds, report = read(tmp_path / "a.md")
        assert report.files[0].words > 8000
        assert all(len(seed.text) <= 1000 for seed in seeds)

    def test_of_a_long_file_no_more_is_read_than_seeds_are_drawn_from(self, tmp_path: Path) -> None:
        file = tmp_path / "a.jsonl"
        rows = [json.dumps({"text": f"row {number}"}) for number in range(100)]
        file.write_text("\n".join([*rows, "no JSON at all"]) + "\n")
        seeds, report = read(file, limit=2)
        assert len(seeds) == 2
        assert report.files[0].chunks == 40
        assert "its first 40 chunks alone" in report.files[0].notes


def test_seeds_come_back_from_the_run_directory_as_they_were_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: T\n---\n# Head\n\nWords 咖啡.", encoding="utf-8")
    seeds, _ = read(tmp_path / "a.md")
    seeds.append(load_seeds(SeedsConfig.model_validate({"keywords": ["a, b"]}), random_seed=0)[0])
    write_seeds(tmp_path / "seeds.jsonl", seeds)
    (tmp_path / "a.md").unlink()
    assert read_seeds(tmp_path / "seeds.jsonl") == seeds
    assert read_seeds(tmp_path / "seeds.jsonl", {seeds[0].id}) == seeds[:1]
    assert read_seeds(tmp_path / "none.jsonl") == []


@pytest.mark.skipif(not COFFEE.exists(), reason="the folder of notes is not here")
def test_a_folder_of_notes_with_everything_beside_it(tmp_path: Path) -> None:
    for file in COFFEE.rglob("*.*"):
        target = tmp_path / file.relative_to(COFFEE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    write_office(tmp_path)
    (tmp_path / "page.html").write_text(HTML, encoding="utf-8")
    (tmp_path / "lots.csv").write_text("lot,score\nL1,86\nL2,84\n", encoding="utf-8")
    (tmp_path / "book.txt").write_text("A line of a book. " * 12_000, encoding="utf-8")
    (tmp_path / "烘焙.md").write_text(CHINESE, encoding="utf-8")
    seeds, report = read(tmp_path, limit=5000)
    assert {file.kind for file in report.files} == {
        *("markdown", "pdf", "docx", "pptx", "xlsx", "html", "csv", "text")
    }
    assert all(file.words and file.chunks for file in report.files)
    assert {place.file for place in places_of(seeds)} == {file.path for file in report.files}
    assert report.left_out == []
    assert not any("tags: [" in seed.text for seed in seeds)
