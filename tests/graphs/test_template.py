"""The template baseline: what its grades show, what it asks, and that a kill changes nothing."""

import json
import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.domains.story.domain import StoryDomain
from metasynth.errors import ConfigError
from metasynth.records.record import Record
from tests.commands import FINANCE, Command, calls_in, corpus_of, metasynth, settings, small_run
from tests.document_files import pdf
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.prose import prose
from tests.raising import raises
from tests.screened_runs import TEMPLATE
from tests.teacher import Teacher

REAL = [prose([f"granite{n}"], 60, random.Random(n)) for n in range(6)]


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A file of real documents."""
    path = tmp_path / "real.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in REAL))
    return path


def prompts(server: OpenAIServer) -> list[str]:
    return [str(request["messages"][-1]["content"]) for request in server.requests]


def written(tmp_path: Path, server: OpenAIServer, **values: object) -> list[Record]:
    """The corpus of a run of the template without a demand for novelty."""
    out = tmp_path / "run"
    run = small_run(server.base_url, **{**TEMPLATE, "budget__records": 5, **values})
    assert metasynth(*run, "--out", out) == 0
    return corpus_of(out)


def batch(*texts: str, probability: str = "0.2") -> str:
    """An answer with candidates, in the form that is asked for."""
    return "\n".join(
        f"<response>\n<text>{text}</text>\n<probability>{probability}</probability>\n</response>"
        for text in texts
    )


class Verbaliser:
    """Answers with so many candidates, each another text."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._made = 0

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._made += 1
        rng = random.Random(self._made)
        return Reply(content=batch(*(prose(["bond"], 50, rng) for _ in range(self._count))))


class TestGrades:
    def test_fixed_shows_nothing_beside_the_prompt(self, tmp_path: Path) -> None:
        with OpenAIServer(Teacher()) as server:
            records = written(tmp_path, server)
            assert all(prompt.startswith("Write a ") for prompt in prompts(server))
            assert not any("~~~~" in prompt for prompt in prompts(server))
        assert all(record.parent_ids == [] for record in records)

    def test_exemplars_are_real_documents_that_vary(self, tmp_path: Path, real: Path) -> None:
        values = {"template__grade": "exemplars", "template__exemplars": real}
        with OpenAIServer(Teacher()) as server:
            records = written(tmp_path, server, template__exemplars_shown=2, **values)
            shown = [{n for n, text in enumerate(REAL) if text in p} for p in prompts(server)]
        assert all(len(each) == 2 for each in shown)
        assert len({frozenset(each) for each in shown}) > 1
        assert all(len(set(record.parent_ids)) == 2 for record in records)
        assert all(id_.startswith("seed-") for record in records for id_ in record.parent_ids)

    def test_earlier_shows_documents_of_the_run_as_well(self, tmp_path: Path, real: Path) -> None:
        values = {"template__grade": "earlier", "template__exemplars": real, "concurrency": 1}
        with OpenAIServer(Teacher()) as server:
            records = written(tmp_path, server, **values)
            asked = prompts(server)
        known = {record.id: record for record in records}
        own = [[known[i] for i in record.parent_ids if i in known] for record in records]
        assert [len(each) for each in own] == [0, 1, 2, 2, 2]
        for record, prompt, earlier in zip(records, asked, own, strict=True):
            assert all(record.created_at >= one.created_at for one in earlier)
            assert all(str(one.text) in prompt for one in earlier)
            assert sum(text in prompt for text in REAL) == 3

    def test_what_is_shown_is_cut(self, tmp_path: Path, real: Path) -> None:
        values = {"template__grade": "exemplars", "template__exemplars": real}
        with OpenAIServer(Teacher()) as server:
            written(tmp_path, server, template__max_shown_words=7, budget__records=1, **values)
            fenced = re.findall(r"~~~~\n(.*?)\n~~~~", prompts(server)[0], re.DOTALL)
        assert [len(text.split()) for text in fenced] == [7, 7, 7]

    def test_documents_that_are_seeds_are_exemplars_too(self, tmp_path: Path, real: Path) -> None:
        values = {"seeds": f"{{documents: {real}}}", "template__grade": "exemplars"}
        with OpenAIServer(Teacher()) as server:
            records = written(tmp_path, server, **values)
        assert all(len(record.parent_ids) == 3 for record in records)

    def test_a_document_is_shown_as_one_and_cited_by_its_page(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        notes = tmp_path / "notes"
        notes.mkdir()
        pages = ["Drums turn slowly.", "Beans crack at noon.", "Smoke leaves last."]
        (notes / "three.pdf").write_bytes(pdf(pages))
        (notes / "cups.md").write_text("---\ntags: [cupping]\n---\n# Cups\n\nFive cups a lot.\n")
        values = {"seeds": f"{{documents: {notes}, refresh_every: 1}}", "concurrency": 1}
        with OpenAIServer(Teacher()) as server:
            records = written(tmp_path, server, **values)
            asked = prompts(server)
        assert all(re.search(r"~~~~\n(.*)\n~~~~", prompt, re.DOTALL) for prompt in asked)
        assert not any("keywords" in prompt or "cupping" in prompt for prompt in asked)
        places = {
            "three.pdf, page 1": pages[0],
            "three.pdf, page 2": pages[1],
            "three.pdf, page 3": pages[2],
            "cups.md, “Cups”": "Five cups a lot.",
        }
        (notes / "three.pdf").write_bytes(pdf(["Another text."]))
        (notes / "cups.md").unlink()
        cited = set()
        for record in records:
            capsys.readouterr()
            assert metasynth("explain", tmp_path / "run", record.id) == 0
            shown = " ".join(capsys.readouterr().out.split())
            (place,) = [place for place in places if place in shown]
            assert places[place] in shown
            cited.add(place)
        assert cited == set(places)

    def test_a_template_may_place_the_texts_itself(self, tmp_path: Path, real: Path) -> None:
        prompt = "{{ exemplars | length }} and {{ exemplars[0] }}. At most {{ max_words }} words."
        values = {"template__exemplars": real, "template__prompt": repr(prompt)}
        with OpenAIServer(Teacher()) as server:
            written(tmp_path, server, template__grade="exemplars", budget__records=1, **values)
            assert prompts(server)[0].startswith("3 and ")
            assert "~~~~" not in prompts(server)[0]

    def test_the_same_seed_shows_the_same(self, tmp_path: Path, real: Path) -> None:
        values = {"template__grade": "earlier", "template__exemplars": real, "concurrency": 1}
        asked = []
        for name in ("one", "two"):
            with OpenAIServer(Teacher()) as server:
                written(tmp_path / name, server, **values)
                asked.append(prompts(server))
        assert asked[0] == asked[1]


class TestVerbalisedSampling:
    def test_one_of_the_candidates_is_taken(self, tmp_path: Path) -> None:
        with OpenAIServer(Verbaliser(4)) as server:
            records = written(tmp_path, server, template__candidates=4)
            assert len(server.requests) == len(records)
            assert "but 4, drawn from" in prompts(server)[0]

    @pytest.mark.parametrize("concurrency", [1, 3])
    def test_all_of_them_are_records_of_one_call(self, tmp_path: Path, concurrency: int) -> None:
        with OpenAIServer(Verbaliser(4)) as server:
            records = written(
                tmp_path,
                server,
                template__candidates=4,
                template__take="all",
                budget__records=8,
                concurrency=concurrency,
                seeds__refresh_every=1,
            )
            assert len(server.requests) <= 1 + concurrency
        assert len({record.text for record in records}) == 8
        seeds = {record.id.rpartition("-")[0]: set[str]() for record in records}
        for record in records:
            seeds[record.id.rpartition("-")[0]].add(record.seed_ids[0])
        assert sum(map(len, seeds.values())) == len(server.requests)

    def test_an_answer_in_another_form_is_rejected_with_what_is_wrong(self, tmp_path: Path) -> None:
        values = {**TEMPLATE, "template__candidates": 3, "budget__stall_after": 2}
        out = tmp_path / "run"
        with OpenAIServer(Verbaliser(2)) as server:
            run = small_run(server.base_url, **values, concurrency=1)
            assert metasynth(*run, "--out", out) == 1
        lines = (out / "rejected.jsonl").read_text().splitlines()
        reasons = [json.loads(line)["reason"] for line in lines]
        assert reasons == ["unparsed: 2 candidates, 3 were asked for"] * 2


def test_self_instructs_filter_refuses_what_is_like_the_pool(tmp_path: Path, real: Path) -> None:
    fresh = prose(["harbour"], 60, random.Random(99))
    drafts = (REAL[0], fresh, fresh, prose(["ledger"], 60, random.Random(7)))
    values = {**TEMPLATE, "template__max_likeness": 0.7, "template__exemplars": real}
    out = tmp_path / "run"
    with OpenAIServer(Teacher(drafts=drafts)) as server:
        run = small_run(server.base_url, **values, budget__records=2, concurrency=1)
        assert metasynth(*run, "--out", out) == 0
    assert [record.text for record in corpus_of(out)] == [fresh, drafts[-1]]
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [one["text"] for one in rejected] == [REAL[0], fresh]
    for one in rejected:
        assert one["reason"].startswith("too_close: ROUGE-L 1.00 to ")


@pytest.mark.parametrize(
    "values",
    [
        {"template__grade": "earlier"},
        {"template__candidates": 3, "template__take": "all", "seeds__refresh_every": 1},
        {"template__candidates": 3, "template__take": "all", "template__grade": "earlier"},
    ],
    ids=["earlier", "all candidates", "both"],
)
def test_kills_cost_what_is_under_way_and_nothing_else(
    tmp_path: Path, real: Path, values: dict[str, object]
) -> None:
    out, chains, goal = tmp_path / "run", 3, 15
    answers = Verbaliser(3) if "template__candidates" in values else Teacher()
    state: dict[str, Any] = {"left": 0, "then": None}

    def respond(request: dict[str, Any]) -> Reply:
        state["left"] -= 1
        if state["left"] == 0:
            state["then"]()
        return answers(request)

    shown = {"template__exemplars": real} if values.get("template__grade") else {}
    with OpenAIServer(respond, latency_s=0.01) as server:
        run = small_run(
            server.base_url,
            **{**TEMPLATE, **values, **shown},
            budget__records=goal,
            concurrency=chains,
        )
        with Command(*run, "--out", out, folder=tmp_path) as command:
            state.update(left=4, then=lambda: command.send(signal.SIGKILL))
            assert command.end().status == -signal.SIGKILL
        before = [record.id for record in corpus_of(out)]
        assert metasynth(*run, "--out", out) == 0
        assert len(server.requests) - calls_in(out) <= chains
    ids = [record.id for record in corpus_of(out)]
    assert len(ids) == goal == len(set(ids))
    assert ids[: len(before)] == before
    assert len({record.text for record in corpus_of(out)}) == goal


@pytest.mark.parametrize("grade", ["fixed", "earlier"])
def test_the_embedded_model_is_asked_by_its_roles(tmp_path: Path, grade: str) -> None:
    stories = tmp_path / "stories.jsonl"
    texts = [StoryDomain().generate(random.Random(n)).text for n in range(4)]
    stories.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    values = {"template__grade": grade, "budget__records": 2, "concurrency": 1}
    values |= {"template__exemplars": stories} if grade != "fixed" else {}
    out = tmp_path / "run"
    run = ["run", FINANCE.with_name("demo-template.yaml"), "--quiet", *settings(**values)]
    assert metasynth(*run, "--out", out) == 0
    for record in corpus_of(out):
        assert record.checker is not None
        assert record.checker.passed
        assert bool(record.keywords) == bool(record.genre) == (grade == "fixed")
        assert bool(record.parent_ids) == bool(grade != "fixed")


class TestRunFile:
    @pytest.mark.parametrize(
        ("changes", "code", "fact"),
        [
            (["template.grade=earlier"], "no_documents", "template.exemplars: grade earlier "),
            (["template.exemplars=x"], "invalid_value", "template: exemplars: grade fixed "),
            (["template.take=all"], "invalid_value", "template: take: all "),
            (
                ["template.grade=exemplar"],
                "invalid_value",
                "template.grade: Input should be 'fixed', 'exemplars'",
            ),
            (
                ["template.prompt='{{ earlier }}'"],
                "unknown_variable",
                "template.prompt: mentions earlier, ",
            ),
            (
                ["template.grade=exemplars", "template.exemplars=none.jsonl"],
                "missing_file",
                "template.exemplars: ",
            ),
            (
                ["teacher.model=embedded", "template.candidates=3"],
                "no_likelihoods",
                "template.candidates: ",
            ),
            (
                ["teacher.model=embedded", "template.prompt=x", "template.grade=earlier"],
                "no_prompt",
                "template.prompt: ",
            ),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(
        self, changes: list[str], code: str, fact: str
    ) -> None:
        with raises(ConfigError, code, fact):
            plan_run(load_run_config(FINANCE, ["graph=template", *changes]))

    def test_a_run_file_without_the_new_keys_keeps_its_identity(self) -> None:
        plain = load_run_config(FINANCE, ["graph=template"])
        same = ["template.grade=fixed", "conductor.without=[]", "memory.told=true"]
        assert load_run_config(FINANCE, ["graph=template", *same]).identity() == plain.identity()
        for change in ("template.max_likeness=0.7", "conductor.personas=false"):
            other = load_run_config(FINANCE, ["graph=template", change])
            assert other.identity() != plain.identity()

    def test_other_exemplars_are_another_run(self, real: Path) -> None:
        changes = ["graph=template", "template.grade=exemplars", f"template.exemplars={real}"]
        one = plan_run(load_run_config(FINANCE, changes)).identity
        real.write_text(json.dumps({"text": "another"}) + "\n")
        assert plan_run(load_run_config(FINANCE, changes)).identity != one
