"""Policy `fixed`: experts asked in an order by code, through the nodes of a conductor's calls."""

import json
from pathlib import Path
from typing import Any

import pytest

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.errors import ConfigError
from metasynth.records.record import Record
from tests.commands import FINANCE, corpus_of, metasynth, small_run
from tests.instruct_runs import InstructTeacher, Run
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher, attachments

FACT_CHECKER = """\
name: fact_checker
title: Fact Checker
description: Says whether the facts of a draft hold.
receives: [draft]
produces: note
instructions: Begin with the word Good or the word Revise.
"""


class Checked(Teacher):
    """A teacher whose fact checker has every draft revised."""

    def _as_expert(self, messages: list[dict[str, Any]], rng: Any) -> str:
        if str(messages[0]["content"]).startswith("You are the Fact Checker."):
            return "Revise: the year is wrong."
        return super()._as_expert(messages, rng)


def written(
    out: Path, teacher: Teacher | None = None, *, status: int = 0, **values: object
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The records of a small run, and what its models were sent."""
    with OpenAIServer(teacher or Teacher()) as server:
        run = small_run(server.base_url, **{"budget__records": 2, "concurrency": 1, **values})
        assert metasynth(*run, "--out", out) == status
        return corpus_of(out), server.requests


def asked(requests: list[dict[str, Any]]) -> list[str]:
    """The titles of the experts that were asked, in their order."""
    return [
        str(request["messages"][0]["content"]).partition("\n")[0].removeprefix("You are the ")
        for request in requests
    ]


def test_a_fixed_order_asks_no_conductor(tmp_path: Path) -> None:
    records, requests = written(tmp_path / "run", conductor__policy="fixed")
    assert len(records) == 2
    assert not any("tools" in request for request in requests)
    assert len(requests) <= 6 * len(records)
    for record in records:
        assert record.experts[0] in ("seed_keyword_expansion", "author_persona")
        assert {"domain_expert", "summarizer", "topic_label"} <= set(record.experts)
        assert record.genre
        assert record.persona
        assert record.summary
        assert record.topic
        assert record.generation is not None
        assert record.generation.models["conductor"] == "fixed"


def test_what_is_refused_is_written_anew_with_the_reason(tmp_path: Path) -> None:
    teacher = Teacher(drafts=("Too short.",))
    records, requests = written(
        tmp_path / "run",
        teacher,
        status=1,
        conductor__policy="fixed",
        budget__records=1,
        budget__stall_after=1,
        gate__tries=3,
    )
    assert records == []
    told = [text for request in requests if "too_short" in (text := json.dumps(request))]
    assert asked(requests).count("Domain Expert.") == 3
    assert len(told) == 2  # all drafts but the first


def own_roles(folder: Path) -> str:
    """A directory with the role of the user's own."""
    roles = folder / "roles"
    roles.mkdir()
    (roles / "fact_checker.yaml").write_text(FACT_CHECKER)
    return str(roles)


def test_experts_of_the_users_own_are_wired_in_the_run_file(tmp_path: Path) -> None:
    records, requests = written(
        tmp_path / "run",
        Checked(),
        roles=own_roles(tmp_path),
        budget__records=1,
        budget__stall_after=1,
        gate__max_words=300,
        conductor__policy="fixed",
        conductor__order="[seed_keyword_extraction, domain_expert, [summarizer, topic_label]]",
        conductor__require="[fact_checker]",
    )
    (record,) = records
    assert [name for name in record.experts if name not in ("summarizer", "topic_label")] == [
        "seed_keyword_extraction",
        "domain_expert",
        "fact_checker",
        "editor",
        "fact_checker",
    ]
    editor = next(r for r in requests if "You are the Editor Expert." in json.dumps(r))
    assert "the year is wrong" in json.dumps(editor)


def test_a_required_expert_is_asked_before_a_model_submits(tmp_path: Path) -> None:
    records, requests = written(
        tmp_path / "run",
        Checked(),
        roles=own_roles(tmp_path),
        budget__records=1,
        budget__stall_after=1,
        conductor__require="[fact_checker]",
    )
    (record,) = records
    assert record.experts.count("fact_checker") == 1
    last = next(r for r in reversed(requests) if r.get("tools"))
    told = [str(m["content"]) for m in last["messages"] if m["role"] == "tool"]
    assert any("the year is wrong" in text for text in told)
    assert any(text.startswith("error: fact_checker had to be asked") for text in told)


async def test_a_fixed_order_asks_for_instructions(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher(turns=())) as run:
        records, _, _ = await run(conductor__policy="fixed", budget__records=2, concurrency=1)
        assert not any("tools" in request for request in run.server.requests)
        assert run.asked("Document Transformation Expert")
        edited = run.asked("Question Editor Expert")
    assert len(records) == 2
    for record in records:
        assert set(record.experts) >= {
            "document_transformation",
            "persona_suggestion",
            "complexity_suggestion",
            "question_editor",
        }
    kinds = [each.kind for each in attachments(edited[0]["messages"][-1])]
    assert kinds.count("note") == 2


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        (["conductor.without=[summarizer]"], "expert_missing"),
        (["conductor.without=[topic_label]"], "expert_missing"),
        (["conductor.without=[domain_expert, editor]"], "expert_missing"),
        (["conductor.without=[nobody]"], "unknown_expert"),
        (["conductor.require=[nobody]"], "unknown_expert"),
        (["conductor.require=[seed_keyword_expansion]"], "bad_order"),
        (["conductor.require=[editor]", "conductor.without=[editor]"], "expert_missing"),
        (["conductor.order=[domain_expert]"], "bad_order"),
        (["conductor.policy=fixed", "conductor.order=[domain_expert]"], "expert_missing"),
        (["conductor.policy=fixed", "conductor.order=[summarizer, domain_expert]"], "bad_order"),
        (["conductor.policy=fixed", "conductor.max_turns=3"], "too_few_turns"),
        (["conductor.policy=fixed", "graph=template"], "no_conductor"),
        (["experts.style=short", "teacher.model=embedded"], "contradiction"),
    ],
)
def test_a_conductor_that_can_never_submit_is_refused(overrides: list[str], code: str) -> None:
    with raises(ConfigError, code):
        plan_run(load_run_config(FINANCE, overrides))
