"""Parts of the document graph that a run file leaves out: not offered, not told, not used."""

import json
from pathlib import Path
from typing import Any

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.errors import ConfigError
from metasynth.records.record import Record
from tests.commands import FINANCE, corpus_of, metasynth, small_run
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher

Requests = list[dict[str, Any]]


def carried_out(
    out: Path, *, status: int = 0, **values: object
) -> tuple[list[Record], Requests, Requests]:
    """The records of a small run, what its conductor was sent, and what its experts were."""
    with OpenAIServer(Teacher()) as server:
        run = small_run(server.base_url, **{"budget__records": 3, "concurrency": 1, **values})
        assert metasynth(*run, "--out", out) == status
        requests = server.requests
    directed = [request for request in requests if request.get("tools")]
    return corpus_of(out), directed, [one for one in requests if not one.get("tools")]


def test_without_expansion_keywords_come_back_as_they_were(tmp_path: Path) -> None:
    records, directed, asked = carried_out(
        tmp_path, conductor__without="[seed_keyword_expansion, content_analyst]"
    )
    system = directed[0]["messages"][0]["content"]
    assert "- seed_keyword_extraction: " in system
    assert "- seed_keyword_expansion: " not in system
    assert "- content_analyst: " not in system
    assert "Keyword Expansion" not in json.dumps(asked)
    for record in records:
        assert len(record.keywords) == 3  # as many as a seed of the run file has
        assert "seed_keyword_expansion" not in record.experts
    answers = [str(message["content"]) for message in directed[-1]["messages"]]
    assert any(text.startswith("keywords-2 by seed_keyword_expansion\n") for text in answers)


def test_a_conductor_is_told_that_an_expert_is_not_offered(tmp_path: Path) -> None:
    _, directed, _ = carried_out(
        tmp_path,
        status=1,
        conductor__without="[domain_expert]",
        conductor__max_turns=6,
        budget__stall_after=1,
    )
    answers = [message["content"] for message in directed[-1]["messages"]]
    assert "error: domain_expert is not offered here" in answers


def test_without_personas_experts_write_as_nobody(tmp_path: Path) -> None:
    records, directed, asked = carried_out(tmp_path, conductor__personas="false")
    system = directed[-1]["messages"][0]["content"]
    assert "Choose a genre that is rare so far" in system
    assert "in subject, structure and opening;" in system
    assert "Personas used most" not in directed[-1]["messages"][1]["content"]
    assert "You write as a specialist" in json.dumps(asked)
    assert "an auditor" not in json.dumps(asked)
    assert [record.persona for record in records] == [""] * 3


def test_without_memory_a_brief_says_nothing_of_the_corpus(tmp_path: Path) -> None:
    _, directed, _ = carried_out(tmp_path, memory__told="false")
    briefs = {request["messages"][1]["content"] for request in directed}
    assert len(briefs) == 3
    for brief in briefs:
        assert [line.partition(":")[0] for line in brief.splitlines() if line] == [
            "Write one new document.",
            "Seed",
            "Genres",
        ]


def test_an_expert_that_nobody_offers_cannot_be_left_out() -> None:
    with raises(ConfigError, "unknown_expert"):
        plan_run(load_run_config(FINANCE, ["conductor.without=[nobody]"]))
