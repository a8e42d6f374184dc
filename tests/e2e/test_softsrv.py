"""Whole runs of the graph softsrv, by every method, killed and gone on with."""

import json
import shutil
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from metasynth.memory.ledger import Ledger
from metasynth.records.record import Record
from metasynth.softsrv.manifest import read_manifest
from metasynth.softsrv.sampling.samples import read_candidates, read_samples
from tests.commands import Command, calls_in, corpus_of, metasynth, settings, small_run
from tests.openai_answers import Reply, failure
from tests.openai_server import OpenAIServer
from tests.softsrv_runs import ROWS, QuestionTeacher, softsrv_run
from tests.teacher import Teacher

DEMO = Path(__file__).parent.parent.parent / "examples" / "softsrv-demo.yaml"
# The demo with so little of everything that its questions are poor: nothing is verified then.
SMALL = {
    "softsrv__target__limit": 24,
    "softsrv__training__steps": 4,
    "softsrv__training__batch_size": 4,
    "softsrv__training__evaluate_every": 4,
    "softsrv__sampling__count": 24,
    "softsrv__sampling__max_new_tokens": 80,
    "softsrv__postprocess__needs": "[]",
    "checker": "null",
    "gate__min_words": 3,
    "gate__max_words": 300,
    "gate__check_language": "false",
    "gate__max_same_opening": 50,
    "budget__records": 4,
}


def small_demo(**values: object) -> list[str]:
    given = {**SMALL, **values}
    if "softsrv__target" in given:
        del given["softsrv__target__limit"]
    return ["run", str(DEMO), "--quiet", *settings(**given)]


def manifest(run: Path) -> Any:
    return read_manifest(run / "softsrv" / "manifest.json")


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small demo: a soft prompt that is hardly trained, and what came of it."""
    out = tmp_path_factory.mktemp("steered") / "run"
    assert metasynth(*small_demo(), "--out", out) == 0
    return out


class TestDemo:
    def test_the_target_is_what_the_generator_writes(self) -> None:
        code: dict[str, Any] = {"__name__": "make_target"}
        source = DEMO.with_name("softsrv-demo") / "make_target.py"
        exec(compile(source.read_text(), str(source), "exec"), code)
        lines = source.with_name("target.jsonl").read_text().splitlines()
        assert [json.loads(line)["text"] for line in lines] == code["questions"]()

    def test_every_stage_is_counted_and_leads_to_the_next(self, steered: Path) -> None:
        stages = manifest(steered)
        samples = list(read_samples(steered / "softsrv" / "samples.jsonl"))
        kept = list(read_candidates(steered / "softsrv" / "candidates.jsonl"))
        assert [sample.number for sample in samples] == list(range(24))
        assert stages["contexts"]["contexts"] + 2 == 24  # two are held out
        assert stages["samples"]["sampled"] == 24
        assert stages["samples"]["stopped"] == sum(sample.stopped for sample in samples)
        assert stages["postprocess"]["counts"]["kept"] == len(kept)
        copies = stages["copies"]
        assert (copies["samples"]["with_own"], copies["held_out"]["texts"]) == (24, 2)
        assert stages["records"]["accepted"] == len(corpus_of(steered)) == 4
        texts = {sample.number: sample.text.strip() for sample in samples}
        assert all(texts[candidate.number] == candidate.text for candidate in kept)

    def test_a_record_is_answered_by_the_solution_expert(self, steered: Path) -> None:
        contexts = [json.loads(line)["id"] for line in _lines(steered, "contexts.jsonl")]
        kept = list(read_candidates(steered / "softsrv" / "candidates.jsonl"))
        for record in corpus_of(steered):
            candidate = kept[int(record.id[-5:]) - 1]
            assert record.messages is not None
            assert record.messages[0].content == candidate.text
            assert record.parent_ids == [candidate.context_id]
            assert candidate.context_id in contexts
            assert record.experts == ["softsrv", "solution_expert"]
            assert record.generation.models == {"softsrv": "embedded", "answers": "embedded"}

    def test_explain_tells_context_and_stages(
        self, steered: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        record = corpus_of(steered)[0]
        assert metasynth("explain", steered, record.id) == 0
        told = capsys.readouterr().out
        assert f"context      {record.parent_ids[0]}: " in told
        assert "text not kept" not in told
        assert "kept from cluster" in told
        assert "answered → admitted" in told
        assert "solution_expert (embedded" in told

    def test_a_finished_run_does_nothing_again(
        self, steered: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = _contents(steered)
        assert metasynth(*small_demo(), "--out", steered) == 0
        assert _contents(steered) == before
        told = capsys.readouterr().out
        assert "contexts        22 (soft)" in told
        assert "held-out loss" in told
        assert "kept            sampled 24 → " in told
        assert "copies          0.0% equal a row, " in told

    def test_a_trained_soft_prompt_serves_other_runs(self, steered: Path, tmp_path: Path) -> None:
        artifact = steered / "softsrv" / "artifact"
        changes = {
            "softsrv__artifact": artifact,
            "softsrv__answers__style": "none",
            "softsrv__sampling__count": 8,
        }
        assert metasynth(*small_demo(**changes), "--out", tmp_path / "run") == 0
        made, known = (_lines(run, "samples.jsonl") for run in (tmp_path / "run", steered))
        assert made == known[:8]
        assert not (tmp_path / "run" / "softsrv" / "training").exists()
        assert {record.kind for record in corpus_of(tmp_path / "run")} == {"document"}
        assert calls_in(tmp_path / "run") == 0

    def test_another_model_than_its_own_is_refused(
        self, steered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from tests.tiny_lm import save_tiny_lm

        changes = {
            "softsrv__artifact": steered / "softsrv" / "artifact",
            "softsrv__backbone__model": f"local:{save_tiny_lm(tmp_path / 'lm')}",
        }
        capsys.readouterr()  # the bar of transformers
        assert metasynth(*small_demo(**changes), "--out", tmp_path / "run") == 2
        told = capsys.readouterr().err
        assert "does not fit" in told
        assert told.count("\n") == 1


class SamplingTeacher(Teacher):
    """A conductor that submits a sampled draft, or for every second record a rewrite of one."""

    def __call__(self, request: dict[str, Any]) -> Reply:
        if not request.get("tools"):
            return super().__call__(request)
        turns = [
            [("consult", {"expert": "seed_keyword_extraction", "instruction": "x", **SEED})],
            [("set_seeds", {"source": "keywords-1"})],
            [("sample_softsrv", {"n": 2, "near": "seed-1"})],
            [consult("summarizer", "draft-1"), consult("topic_label", "draft-1")],
            [("submit", {"draft": "draft-1"})],
            [consult("editor", "draft-1")],
            [consult("summarizer", "draft-3"), consult("topic_label", "draft-3")],
            [("submit", {"draft": "draft-3"})],
            [("give_up", {"reason": "both were refused"})],
        ]
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        calls = [{"name": name, "arguments": given} for name, given in turns[turn]]
        return Reply(content=None, tool_calls=tuple(calls))


SEED = {"attach": ["seed-1"]}


def consult(expert: str, draft: str) -> tuple[str, dict[str, Any]]:
    return "consult", {"expert": expert, "instruction": "Work.", "attach": [draft]}


class TestTool:
    def test_the_conductor_draws_drafts_that_pass_the_same_gate(
        self, steered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "run"
        with OpenAIServer(SamplingTeacher()) as server:
            run = small_run(
                server.base_url,
                softsrv__artifact=steered / "softsrv" / "artifact",
                softsrv__sampling__max_new_tokens=80,
                budget__records=2,
                concurrency=2,
                gate__min_seed_words=0,
                gate__min_words=3,
                gate__max_words=400,
                gate__check_language="false",
            )
            assert metasynth(*run, "--out", out) == 0
        contexts = {json.loads(line)["id"] for line in _lines(out, "contexts.jsonl")}
        records = corpus_of(out)
        assert len(records) == 2
        assert "softsrv" in {record.source for record in records}
        for record in records:
            assert set(record.parent_ids) <= contexts
            assert len(record.parent_ids) == 1
            assert "softsrv" in record.experts
            assert record.generation.usd is not None
        with closing(Ledger(out / "ledger.sqlite")) as ledger:
            spent = ledger.totals_by_agent()["softsrv"]
        assert spent.tokens_out > 0
        assert spent.seconds > 0
        capsys.readouterr()
        assert metasynth("explain", out, records[0].id) == 0
        told_of = capsys.readouterr().out
        assert f"context      {records[0].parent_ids[0]}: " in told_of
        assert "softsrv (softsrv:embedded, 0 in, " in told_of

    def test_it_is_trained_where_no_artifact_is_named(self, tmp_path: Path) -> None:
        target = DEMO.with_name("softsrv-demo") / "target.jsonl"
        with OpenAIServer(SamplingTeacher()) as server:
            run = small_run(
                server.base_url,
                **{name: value for name, value in SMALL.items() if name.startswith("softsrv")},
                softsrv__target__file=target,
                softsrv__prompt__tokens=8,
                softsrv__prompt__hidden=8,
                softsrv__training__learning_rate=0.001,
                budget__records=1,
                concurrency=1,
                gate__min_seed_words=0,
                gate__min_words=3,
                gate__max_words=400,
                gate__check_language="false",
            )
            assert metasynth(*run, "--out", tmp_path / "run") == 0
        assert (tmp_path / "run" / "softsrv" / "artifact" / "config.json").is_file()
        assert manifest(tmp_path / "run")["contexts"]["contexts"] == 22


def test_the_frozen_model_alone_needs_no_target(tmp_path: Path) -> None:
    changes = {
        "softsrv__method": "unconditional",
        "softsrv__target": "null",
        "softsrv__answers__style": "none",
        "softsrv__sampling__temperature": 1.4,  # colder, it writes the same few words
        "softsrv__postprocess__min_words": 1,
        "budget__records": 2,
    }
    assert metasynth(*small_demo(**changes), "--out", tmp_path / "run") == 0
    for record in corpus_of(tmp_path / "run"):
        assert (record.source, record.parent_ids) == ("unconditional", [])
        assert record.generation.models == {"softsrv": "embedded"}


def test_the_embedded_model_writes_another_like_the_exemplar(tmp_path: Path) -> None:
    changes = {"softsrv__method": "template_single", "softsrv__sampling__count": 12}
    assert metasynth(*small_demo(**changes), "--out", tmp_path / "run") == 0
    for record in corpus_of(tmp_path / "run"):
        assert record.source == "template_single"
        assert record.messages is not None
        assert "Solution:" not in record.messages[0].content
        assert record.parent_ids[0].startswith("target-")


def test_preview_writes_a_few_and_forecasts_every_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(QuestionTeacher()) as server:
        _, path, _, *options = softsrv_run(
            tmp_path,
            server.base_url,
            softsrv__method="template",
            softsrv__sampling__count=3000,
            budget__records=1000,
        )
        assert metasynth("preview", path, "--records", 2, *options) == 0
        asked = [str(request["messages"][-1]["content"]) for request in server.requests]
    questions = sum("inspired by the example" in text for text in asked)
    assert questions == 2  # ten questions a call, ten for each record
    told = capsys.readouterr().out
    answers = len(asked) - questions
    assert f"calls    {500 * answers + 300:,}" in told
    assert "forecast for 1000 records, from 2 records:" in told
    assert "sampling " in told
    assert not (tmp_path / "runs").exists()


class TestTemplates:
    @pytest.mark.parametrize("method", ["template", "template_single", "template_refine"])
    def test_questions_and_answers_come_from_the_endpoint(
        self, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with OpenAIServer(QuestionTeacher(lost=1)) as server:
            run = softsrv_run(tmp_path, server.base_url, softsrv__method=method)
            assert metasynth(*run, "--out", tmp_path / "run") == 0
            asked = [str(request["messages"][-1]["content"]) for request in server.requests]
        records = corpus_of(tmp_path / "run")
        assert len(records) == 8
        assert {record.source for record in records} == {method}
        assert all(len(record.parent_ids) == 1 for record in records)
        counts = manifest(tmp_path / "run")["samples"]
        calls = {"template": 3, "template_single": 30, "template_refine": 3}[method]
        assert sum("inspired by the example" in text for text in asked) == calls
        assert any(row in asked[0] for row in ROWS)
        lost = 0 if method == "template_single" else 3
        assert (counts["parse_failures"], counts["sampled"]) == (lost, 30 - lost)
        told = capsys.readouterr().out
        assert f"{lost} of 30 questions not found in replies" in told
        assert ("refinement" in told) == (method == "template_refine")
        if method == "template_refine":
            refined = counts["refinement"]
            assert refined["questions"] == refined["stopped"] + refined["capped"] == 27
            assert counts["calls"] == 3 + refined["calls"]

    def test_a_prompt_that_a_filter_turns_down_costs_its_questions(self, tmp_path: Path) -> None:
        teacher, questions = QuestionTeacher(), 0

        def filtering(request: dict[str, Any]) -> Reply:
            nonlocal questions
            if "inspired by the example" in str(request["messages"][-1]["content"]):
                questions += 1
                if questions == 2:
                    return failure("filtered")
            return teacher(request)

        with OpenAIServer(filtering) as server:
            run = softsrv_run(tmp_path, server.base_url, softsrv__method="template")
            assert metasynth(*run, "--out", tmp_path / "run") == 0
        assert corpus_of(tmp_path / "run")
        counts = manifest(tmp_path / "run")["samples"]
        assert (counts["parse_failures"], counts["sampled"]) == (10, 20)

    def test_answers_may_have_a_template(self, tmp_path: Path) -> None:
        with OpenAIServer(QuestionTeacher()) as server:
            run = softsrv_run(
                tmp_path,
                server.base_url,
                softsrv__method="template",
                softsrv__answers__style="template",
                budget__records=2,
            )
            assert metasynth(*run, "--out", tmp_path / "run") == 0
            asked = [str(request["messages"][-1]["content"]) for request in server.requests]
        assert sum("tests reasoning" in text for text in asked) >= 2
        bodies = [record.body for record in corpus_of(tmp_path / "run")]
        assert not any("tests reasoning" in body for body in bodies)

    def test_what_is_in_the_test_set_never_enters(self, tmp_path: Path) -> None:
        with OpenAIServer(QuestionTeacher()) as server:
            run = softsrv_run(tmp_path, server.base_url, softsrv__method="template")
            assert metasynth(*run, "--out", tmp_path / "first") == 0
            stolen = [record.messages[0].content for record in corpus_of(tmp_path / "first")]  # type: ignore[index]
            (tmp_path / "test.txt").write_text("\n".join(stolen[:3]) + "\n")
            run += settings(softsrv__postprocess__contaminants=f"[{tmp_path / 'test.txt'}]")
            assert metasynth(*run, "--out", tmp_path / "second") == 0
        done = manifest(tmp_path / "second")["postprocess"]
        assert done["counts"]["clean"] - done["counts"]["decontaminated"] == 3
        bodies = " ".join(record.body for record in corpus_of(tmp_path / "second"))
        assert not any(text in bodies for text in stolen[:3])


class TestKills:
    def test_killed_at_any_call_a_run_ends_as_it_would_have(self, tmp_path: Path) -> None:
        teacher, asked, kill_at = QuestionTeacher(), [0], [0]
        command: list[Command] = []

        def respond(request: dict[str, Any]) -> Any:
            asked[0] += 1
            if asked[0] == kill_at[0]:
                command[-1].send(signal.SIGKILL)
            return teacher(request)

        def bodies(out: Path) -> dict[str, str]:
            return {record.id: record.body for record in corpus_of(out)}

        with OpenAIServer(respond) as server:
            run = softsrv_run(tmp_path, server.base_url, softsrv__method="template_refine")
            assert metasynth(*run, "--out", tmp_path / "whole") == 0
            whole = asked[0]
            asked[0] = 0
            for after in (2, 50, 6):  # while asking, refining, and answering
                kill_at[0] = asked[0] + after
                with Command(*run, "--out", tmp_path / "run", folder=tmp_path) as started:
                    command.append(started)
                    assert started.end().status == -signal.SIGKILL
            kill_at[0] = 0
            assert metasynth(*run, "--out", tmp_path / "run") == 0
        for name in ("samples.jsonl", "candidates.jsonl"):
            assert _lines(tmp_path / "run", name) == _lines(tmp_path / "whole", name)
        made, expected = bodies(tmp_path / "run"), bodies(tmp_path / "whole")
        assert all(body == expected[id_] for id_, body in made.items() if id_ in expected)
        assert len(made.keys() & expected.keys()) >= 4  # which are judged last depends on time
        assert len(corpus_of(tmp_path / "run")) == 8
        # nothing was paid for twice but what was under way at a kill, four calls at most
        assert asked[0] - calls_in(tmp_path / "run") <= 3 * 4
        assert calls_in(tmp_path / "run") <= whole + 4

    def test_training_and_sampling_go_on_where_they_were(
        self, steered: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "run"
        places = (out / "softsrv" / "training", out / "softsrv" / "samples.jsonl")
        for place in places:
            with Command(*small_demo(), "--out", out, folder=tmp_path) as command:
                while not place.exists():
                    time.sleep(0.02)
                command.send(signal.SIGKILL)
                assert command.end().status == -signal.SIGKILL
        assert metasynth(*small_demo(), "--out", out) == 0
        assert _lines(out, "samples.jsonl") == _lines(steered, "samples.jsonl")
        assert [record.body for record in _by_id(out)] == [
            record.body for record in _by_id(steered)
        ]

    def test_interrupted_politely_while_it_trains(self, tmp_path: Path) -> None:
        run = small_demo(softsrv__training__steps=100_000)
        with Command(*run, "--out", tmp_path / "run", folder=tmp_path) as command:
            while not (tmp_path / "run" / "softsrv" / "training").exists():
                time.sleep(0.02)
            command.send(signal.SIGINT)
            ended = command.end()
        assert ended.status == 130, ended.stderr
        assert ended.stderr.startswith("error: interrupted; the same command goes on")
        assert ended.stderr.count("\n") == 1

    def test_minutes_end_a_training_too(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = small_demo(softsrv__training__steps=100_000, budget__minutes=0.02)
        assert metasynth(*run, "--out", tmp_path / "run") == 1  # nothing was written
        assert "ended because   budget.minutes: " in capsys.readouterr().out

    def test_a_corrected_run_file_keeps_what_it_did_not_change(
        self, steered: Path, tmp_path: Path
    ) -> None:
        """A run directory without records may be had by another configuration."""
        run = tmp_path / "run"
        shutil.copytree(steered, run)
        for name in ("corpus.jsonl", "rejected.jsonl"):
            (run / name).write_text("")
        trained = run / "softsrv" / "artifact" / "config.json"
        samples, before = _lines(run, "samples.jsonl"), trained.stat().st_mtime_ns

        # no call is made, so that the ledger knows no answer, and no time is left for a record
        nothing = {"softsrv__answers__style": "none", "budget__minutes": 1e-9}
        assert metasynth(*small_demo(gate__min_words=4, **nothing), "--out", run) == 1
        assert _lines(run, "samples.jsonl") == samples

        fewer = small_demo(softsrv__sampling__count=10, **nothing)
        assert metasynth(*fewer, "--out", run) == 1
        assert len(_lines(run, "samples.jsonl")) <= 1
        assert trained.stat().st_mtime_ns == before

        other = small_demo(softsrv__training__steps=5, **nothing)
        assert metasynth(*other, "--out", run) == 1
        assert not trained.exists()


WRONG = {
    "no such task": ({"softsrv__task": "algebra"}, "softsrv.task: no task 'algebra'"),
    "no such file": ({"softsrv__task": "own.yaml"}, "softsrv.task: own.yaml: no such file"),
    "unknown variable": (
        {"softsrv__answers__template": "'{{ question }}{{ x }}'"},
        "softsrv.answers.template: unknown variable 'x'",
    ),
    "the embedded model and a long prompt": (
        {"softsrv__method": "template", "teacher__model": "embedded"},
        "softsrv.method: the embedded model cannot follow the prompts of template",
    ),
    "the embedded model and an answer template": (
        {"softsrv__answers__style": "template", "teacher__model": "embedded"},
        "softsrv.answers.style: the embedded model cannot follow a template",
    ),
    "no artifact": ({"softsrv__artifact": "."}, "no soft prompt here"),
    "wrong field": ({"softsrv__target__field": "question"}, "no text in field 'question'"),
}


class TestWrongRequests:
    @pytest.mark.parametrize("command", ["validate", "run"])
    @pytest.mark.parametrize("case", WRONG)
    def test_each_is_told_in_one_line_before_anything_starts(
        self,
        command: str,
        case: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        changes, expected = WRONG[case]
        _, path, _, *options = softsrv_run(tmp_path, **changes)
        assert metasynth(command, path, *options) == 2
        told = capsys.readouterr().err
        assert expected in told
        assert told.count("\n") == 1
        assert not (tmp_path / "runs").exists()

    def test_a_template_of_ones_own_must_have_what_its_method_needs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "own.yaml").write_text("name: own\nsingle: 'Like {{ exemplar }}'\n")
        _, path, _, *options = softsrv_run(
            tmp_path, softsrv__task=tmp_path / "own.yaml", softsrv__method="template_refine"
        )
        assert metasynth("validate", path, *options) == 2
        assert "key 'diverse' is needed by method template_refine" in capsys.readouterr().err

    def test_validate_says_what_would_be_used(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, path, _, *options = softsrv_run(tmp_path)
        assert metasynth("validate", path, *options) == 0
        told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
        assert (told["method"], told["backbone"], told["target"]) == ("soft", "embedded", "12 rows")


def _lines(run: Path, name: str) -> list[str]:
    return (run / "softsrv" / name).read_text().splitlines()


def _by_id(run: Path) -> list[Record]:
    return sorted(corpus_of(run), key=lambda record: record.id)


def _contents(run: Path) -> dict[str, bytes]:
    files = [run / "corpus.jsonl", *(run / "softsrv").glob("*.json*")]
    return {file.name: file.read_bytes() for file in files}
