"""`metasynth eval tasks`: whole commands, their tables, JSON and files, and what they refuse."""

import gzip
import json
import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from metasynth.config.student import StudentConfig
from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.lm.load import load_lm
from metasynth.records.record import Message
from metasynth.student.rows import StudentRow
from metasynth.student.training.fine_tuning import fine_tune
from tests.commands import Done, metasynth
from tests.eval.test_task_formats import ROWS
from tests.openai_server import OpenAIServer
from tests.shared_data import data_file
from tests.tiny_lm import save_tiny_lm

Tasks = Callable[..., Done]


@pytest.fixture
def tasks(capsys: pytest.CaptureFixture[str]) -> Tasks:
    def run(*arguments: object) -> Done:
        status = metasynth("eval", "tasks", *arguments, "--quiet")
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local:{save_tiny_lm(tmp_path_factory.mktemp('model'))}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data sets: BoolQ as gzipped JSON lines, GSM8K as a JSON array."""
    boolq = [{**ROWS["boolq"], "id": n, "passage": f"Passage {n}."} for n in range(6)]
    for split in ("dev", "train"):
        path = tmp_path / "boolq" / f"{split}.jsonl.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in boolq).encode()))
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.json").write_text(json.dumps([ROWS["gsm8k"]] * 2))
    return tmp_path


def test_the_embedded_model_on_twenty_real_rows(tasks: Tasks, tmp_path: Path) -> None:
    folder = data_file("boolq/dev.jsonl.gz").parents[1]
    items = tmp_path / "items.jsonl"
    done = tasks(
        *("boolq", "gsm8k", "--data", folder, "--limit", 20, "--shots", 1),
        *("--max-new-tokens", 24, "--items", items, "--json"),
    )
    assert done.status == 0, done.err
    for result in done.data["results"]:
        assert result["model"] == "embedded"
        assert result["rows"] == 20
        assert result["scored"] + sum(result["unscored"].values()) == 20
        estimate = result["estimates"]["accuracy"]
        assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        assert estimate["n"] == result["scored"]
    lines = [json.loads(line) for line in items.read_text().splitlines()]
    assert len(lines) == 40
    assert all(line["reason"] for line in lines if line["correct"] is None)


def test_a_table_is_printed_with_what_stands_behind_it(tasks: Tasks, tiny: str, data: Path) -> None:
    done = tasks("boolq", "gsm8k", "--model", tiny, "--data", data, "--shots", 0)
    assert done.status == 0, done.err
    header, boolq, gsm8k, *notes = done.out.splitlines()
    assert header.split() == ["task", "metric", "value", "95", "%", "interval", "scored"]
    assert boolq.startswith("boolq")
    assert "6 of 6" in boolq
    assert gsm8k.startswith("gsm8k")
    assert "boolq: likelihood, 0 examples" in notes
    assert "gsm8k: parsed, 0 examples" in notes
    assert done.err == ""


def test_the_rows_of_one_task_may_be_any_file(tasks: Tasks, tiny: str, data: Path) -> None:
    rows = data / "boolq" / "dev.jsonl.gz"
    done = tasks("boolq", "--model", tiny, "--rows", rows, "--examples", rows, "--json")
    assert done.status == 0, done.err
    assert done.data["results"][0]["settings"]["shots"] == 3
    assert done.data["results"][0]["fewer_shots"] == 0


def test_the_same_command_says_the_same(tasks: Tasks, tiny: str, data: Path) -> None:
    command = ("gsm8k", "boolq", "--model", tiny, "--data", data, "--shots", 1, "--json")
    assert tasks(*command).out == tasks(*command).out


def test_an_endpoint_is_asked_and_its_answers_parsed(
    tasks: Tasks, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> str:
        asked.append(request)
        return "It says so. The answer is yes." if "Passage" in str(request) else "#### 2,000"

    with OpenAIServer(answer) as server:
        done = tasks(
            *("boolq", "gsm8k", "--model", "openai:some-model", "--base-url", server.base_url),
            *("--data", data, "--shots", 0, "--json"),
        )
    assert done.status == 0, done.err
    assert [(one["correct"], one["scored"]) for one in done.data["results"]] == [(6, 6), (2, 2)]
    assert {one["model"] for one in done.data["results"]} == {"openai:some-model"}
    assert all(request["temperature"] == 0 for request in asked)


def test_an_interruption_says_that_answers_are_not_kept(
    tasks: Tasks, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = 0

    def interrupt(_: dict[str, Any]) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return "yes"

    with OpenAIServer(interrupt) as server:
        done = tasks(
            *("boolq", "--model", "openai:some-model", "--base-url", server.base_url),
            *("--data", data, "--shots", 0, "--concurrency", 1),
        )
    assert done.status == 130, done
    assert done.out == ""
    assert "begins anew" in done.err
    assert asked < 6


def test_a_trained_student_is_asked_like_any_model(
    tasks: Tasks, tiny: str, data: Path, tmp_path: Path
) -> None:
    read = TASKS["boolq"].read
    asked = [read({**ROWS["boolq"], "passage": f"Passage {n}."}).question for n in range(6)]
    rows = [
        StudentRow(
            id=str(n),
            line=n + 1,
            messages=(
                Message(role="user", content=question),
                Message(role="assistant", content=" no"),
            ),
        )
        for n, question in enumerate(asked)
    ]
    config = StudentConfig(
        adapt="full", loss_on="answer", learning_rate=5e-3, steps=30, batch_size=6, micro_batch=6
    )
    lm = load_lm(tiny.removeprefix("local:"))
    lm.tokenizer.chat_template = None  # as text, the way tasks ask
    fine_tune(lm, rows, config, tmp_path / "trained", seed=0)
    command = ("boolq", "--model", tiny, "--data", data, "--shots", 0, "--json")
    done = tasks(*command, "--trained", tmp_path / "trained")
    assert done.status == 0, done.err
    (result,) = done.data["results"]
    assert result["model"] == f"{tiny} + {tmp_path / 'trained'}"
    assert result["correct"] == 0  # yes is right, and no is what it was taught


def test_every_task_is_listed_with_its_rule(tasks: Tasks) -> None:
    done = tasks("--list")
    assert done.status == 0
    for name, spec in TASKS.items():
        assert f"\n{name} " in f"\n{done.out}"
        assert spec.rule in done.out


def test_code_is_run_where_that_is_allowed(tasks: Tasks, tiny: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROWS["mbpp"]) + "\n")
    command = ("mbpp", "--model", tiny, "--rows", rows, "--shots", 0, "--max-new-tokens", 8)
    refused = tasks(*command)
    assert refused.status == 2
    assert "--run-code" in refused.err
    done = tasks(*command, "--run-code")
    assert done.status == 0, done.err
    assert "1 of 1" in done.out


def test_no_row_that_could_be_scored_is_a_failure(tasks: Tasks, tiny: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"passage": "x"}\n' * 3)
    done = tasks("boolq", "--model", tiny, "--rows", rows)
    assert done.status == 1
    assert "0 of 3" in done.out
    assert "not scored: 3, no field answer or label" in done.out
    assert done.err.startswith("error: no row could be scored")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no task was named"),
        (("nothing",), "no task 'nothing'; one of: gsm8k"),
        (("boolq", "--model", "gpt"), "no model 'gpt'"),
        (("boolq", "--model", "local:/no/folder", "--rows", "ROWS"), "/no/folder"),
        (("boolq", "--rows", "nowhere.jsonl"), "no such file: nowhere.jsonl"),
        (("boolq", "--data", "nowhere"), "no such folder: nowhere"),
        (("boolq", "--trained", "nowhere"), "no such folder: nowhere"),
        (("boolq", "--trained", "FOLDER", "--model", "openai:x"), "in this process"),
        (("boolq", "gsm8k", "--rows", "ROWS"), "name one"),
        (("boolq", "--rows", "ROWS", "--data", "FOLDER"), "not with both"),
        (("finqa", "--data", "FOLDER"), "finqa/test.jsonl"),
        (("convfinqa",), "no hub"),
        (("boolq", "--rows", "BROKEN"), "BROKEN, line 2: not JSON"),
        (("boolq", "--rows", "LIST"), "must be an object"),
        (("boolq", "--rows", "BYTES"), "UTF-8"),
        (("boolq", "--rows", "ROWS", "--scoring", "guess"), "guess"),
        (("boolq", "--shots", "x"), "--shots"),
    ],
)
def test_a_wrong_request_is_one_line(
    tasks: Tasks, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    files = {
        "ROWS": json.dumps(ROWS["boolq"]).encode(),
        "BROKEN": b'{"a": 1}\n{"a": \n',
        "LIST": b"[1, 2]",
        "BYTES": b"\xff\xfe",
        "FOLDER": None,
    }
    for name, content in files.items():
        if content is None:
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)
    done = tasks(*(str(tmp_path / one) if one in files else one for one in arguments))
    assert done.status == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert told in done.err


def test_without_the_harness_its_extra_is_named(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("lm_eval") is not None:
        monkeypatch.setattr("metasynth.eval.tasks.harness.find_spec", lambda _: None)
    done = tasks("--harness", "boolq")
    assert done.status == 2
    assert done.err == (
        "error: lm-evaluation-harness is not installed; pip install 'metasynth-agents[harness]'\n"
    )


def test_the_harness_agrees_with_us_where_it_is_installed(
    tasks: Tasks, tiny: str, data: Path
) -> None:
    pytest.importorskip("lm_eval")
    (data / "tasks").mkdir()
    task = {
        "task": "boolq_here",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"validation": str(data / "boolq" / "dev.jsonl.gz")}},
        "output_type": "multiple_choice",
        "validation_split": "validation",
        "doc_to_text": "{{passage}}\nQuestion: {{question}}?\nAnswer:",
        "doc_to_target": "{{answer|int}}",
        "doc_to_choice": ["no", "yes"],
        "metric_list": [{"metric": "acc"}],
    }
    (data / "tasks" / "boolq_here.yaml").write_text(json.dumps(task))
    done = tasks(
        *("boolq", "--model", tiny, "--data", data, "--shots", 0, "--normalise", "raw"),
        *("--harness", "boolq_here", "--harness-tasks", data / "tasks", "--json"),
    )
    assert done.status == 0, done.err
    ours, theirs = done.data["results"]
    assert ours["estimates"]["accuracy"]["value"] == theirs["estimates"]["acc,none"]["value"]
