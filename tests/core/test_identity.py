"""A run's identity: what shapes its texts, and neither a place nor an address nor a pace."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.config.identity import content_hash
from metasynth.config.marks import NotIdentity, marked_fields
from metasynth.config.run import RunConfig
from metasynth.errors import ConfigError
from tests.raising import raises

MINIMAL = "domain: finance\nseeds: {keywords: [a lamp]}\n"
SOFTSRV = """\
domain: sums
graph: softsrv
softsrv: {target: {file: rows.jsonl}}
active: {candidates: {}, pool: {path: rows.jsonl}}
"""


def identity(folder: Path, text: str, *changes: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text('{"text": "How many?"}\n')
    file = folder / "run.yaml"
    file.write_text(text)
    return load_run_config(file, changes).identity()


class TestWhatLeavesIt:
    @pytest.mark.parametrize(
        "change",
        [
            "name=other",
            "budget.records=9",
            "budget.minutes=1",
            "concurrency=1",
            "prices.embedded={input: 1, output: 1}",
            "seeds.license=MIT",
            "review=true",
            "keep_threads=0",
            "memory.url=http://localhost:8000",
            "teacher.base_url=http://localhost:8000/v1",
            "experts.base_url=http://localhost:8000/v1",
            "teacher.timeout_s=9",
            "teacher.max_tries=9",
            "conductor.requests_per_minute=9",
            "experts.max_batch=2",
            "teacher.api_key_env=OTHER",
            "gate.tries=4",  # the default
            "memory={neighbours: 3}",
            "student.learning_rate=1",  # there is no student
            "instruct.turns=2",
        ],
    )
    def test_of_every_run(self, tmp_path: Path, change: str) -> None:
        assert identity(tmp_path, MINIMAL, change) == identity(tmp_path, MINIMAL)

    @pytest.mark.parametrize(
        "change",
        [
            "softsrv.backbone.device=cpu",
            "softsrv.sampling.max_batch=3",
            "softsrv.training.save_every=3",
            "student.device=cpu",
            "student.save_seconds=3",
            "active.candidates.scoring.tokens_per_batch=128",
            "active.rounds=9",
        ],
    )
    def test_of_a_run_with_student_and_soft_prompts(self, tmp_path: Path, change: str) -> None:
        assert identity(tmp_path, SOFTSRV, change) == identity(tmp_path, SOFTSRV)

    def test_a_part_that_repeats_the_teacher(self, tmp_path: Path) -> None:
        text = MINIMAL + "teacher: {model: openai:x}\n"
        assert identity(tmp_path, text, "experts.model=openai:x") == identity(tmp_path, text)

    def test_every_mark_says_why(self) -> None:
        reasons = {mark.why for _, mark in marked_fields(RunConfig, NotIdentity)}
        assert {"address", "pace", "limit"} <= reasons


class TestWhatChangesIt:
    def test_whatever_shapes_the_texts(self, tmp_path: Path) -> None:
        changes = (
            "random_seed=1",
            "graph=template",
            "domain.description=x",
            "domain.genres=[riddle]",
            "seeds.keywords=[oven]",
            "seeds.refresh_every=2",
            "gate.tries=9",
            "gate.min_distance=0.3",
            "teacher.model=openai:x",
            "teacher.temperature=0.5",
            "conductor.model=openai:x",
            "conductor.max_turns=9",
            "experts.max_tokens=9",
            "experts.extra_body={a: 1}",
            "template.prompt=x",
            "checker=story",
            "memory.neighbours=1",
            "roles=library:law",
        )
        identities = [identity(tmp_path, MINIMAL, change) for change in changes]
        identities.append(identity(tmp_path, MINIMAL))
        assert len(set(identities)) == len(identities)

    def test_what_shapes_samples_and_scores(self, tmp_path: Path) -> None:
        changes = (
            "softsrv.sampling.count=7",
            "softsrv.method=template",
            "softsrv.training.steps=9",
            "softsrv.answers.style=none",
            "student.learning_rate=0.1",
            "active.candidates.quantile=0.3",
            "active.candidates.scoring.criterion=loss_self",
            "active.pool.scoring.criterion=loss_gold",
            "active.arm=static",
            "active={candidates: {}}",
            "active={}",
            "active=null",
        )
        identities = [identity(tmp_path, SOFTSRV, change) for change in changes]
        identities.append(identity(tmp_path, SOFTSRV))
        assert len(set(identities)) == len(identities)

    def test_the_rounds_where_all_rows_come_in_one(self, tmp_path: Path) -> None:
        static = [
            identity(tmp_path, SOFTSRV, "active.arm=static", f"active.rounds={n}") for n in (2, 3)
        ]
        assert static[0] != static[1]

    def test_a_part_that_goes_back_to_a_default(self, tmp_path: Path) -> None:
        text = MINIMAL + "teacher: {model: openai:x, temperature: 0.5}\n"
        base = identity(tmp_path, text)
        assert identity(tmp_path, text, "conductor.model=embedded") != base
        assert identity(tmp_path, text, "experts.temperature=null") != base


FOLDER = """\
domain: d
seeds: {{{seeds}}}
roles: own
checker: rules.py:check
teacher: {{model: "local:./weights"}}
memory: {{embedder: vectors}}
softsrv: {{artifact: null, target: {{file: rows.jsonl}},
  postprocess: {{contaminants: [test.jsonl]}}}}
"""
ROLE = """\
name: joker
title: Joker
description: Ends a text with a joke.
for: document
receives: [draft]
produces: draft
instructions: Add a joke.
"""


def made(folder: Path, seeds: str = "keywords_file: keys.txt") -> Path:
    """A folder with a run file and all that it names."""
    for name in ("own", "weights", "vectors", "texts"):
        (folder / name).mkdir(parents=True)
    contents = {
        "run.yaml": FOLDER.format(seeds=seeds),
        "keys.txt": "a lamp\nan oven\n",
        "texts/one.txt": "A lamp stands in the garden.",
        "own/joker.yaml": ROLE,
        "rules.py": "def check(text):\n    return True\n",
        "weights/config.json": "{}",
        "vectors/config.json": "{}",
        "rows.jsonl": '{"text": "How many?"}\n',
        "test.jsonl": '{"text": "How few are there?"}\n',
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    return folder


def plan_identity(folder: Path, *changes: str) -> str:
    return plan_run(load_run_config(folder / "run.yaml", changes)).identity


class TestFiles:
    @pytest.mark.parametrize("seeds", ["keywords_file: keys.txt", "documents: texts"])
    def test_a_folder_that_moves_leaves_it(self, tmp_path: Path, seeds: str) -> None:
        folder = made(tmp_path / "here", seeds)
        before = plan_identity(folder)
        moved = folder.rename(tmp_path / "there")
        assert plan_identity(moved) == before

    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("keys.txt", "lamp", "bed"),
            ("own/joker.yaml", "Add a joke", "Add a pun"),
            ("rules.py", "True", "False"),
            ("rows.jsonl", "many", "much"),
            ("test.jsonl", "few", "little"),
        ],
    )
    def test_other_content_changes_it(self, tmp_path: Path, file: str, old: str, new: str) -> None:
        folder = made(tmp_path / "here")
        before = plan_identity(folder)
        path = folder / file
        path.write_text(path.read_text().replace(old, new))
        assert plan_identity(folder) != before

    @pytest.mark.parametrize("file", ["weights/config.json", "vectors/model.safetensors"])
    def test_another_model_in_a_folder_changes_it(self, tmp_path: Path, file: str) -> None:
        folder = made(tmp_path / "here")
        before = plan_identity(folder)
        (folder / file).write_text('{"a": 1}')
        assert plan_identity(folder) != before


def larger(path: Path, change: Callable[[bytearray], None]) -> str:
    content = bytearray(1 << 26)
    change(content)
    path.write_bytes(content)
    return content_hash(path)


class TestContent:
    def test_both_ends_of_large_files_and_the_size_count(self, tmp_path: Path) -> None:
        file = tmp_path / "weights"
        plain = larger(file, lambda content: None)
        assert larger(file, lambda content: content.__setitem__(0, 1)) != plain
        assert larger(file, lambda content: content.__setitem__(-1, 1)) != plain
        assert larger(file, lambda content: content.append(0)) != plain
        assert larger(file, lambda content: None) == plain

    def test_names_count_and_hidden_files_do_not(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("x")
        plain = content_hash(tmp_path)
        (tmp_path / ".cache").mkdir()
        (tmp_path / ".cache" / "b").write_text("x")
        assert content_hash(tmp_path) == plain
        shutil.move(tmp_path / "a", tmp_path / "b")
        assert content_hash(tmp_path) != plain

    def test_what_cannot_be_read_is_told_in_one_line(self, tmp_path: Path) -> None:
        with raises(ConfigError, "unreadable_file"):
            content_hash(tmp_path / "none")
