"""Documents that try to be more than text, in whole runs: unchanged, and without any influence."""

import itertools
import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metasynth.records.record import Record
from tests.adversarial import DOCUMENTS
from tests.commands import corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.prose import prose
from tests.teacher import Attached, attachments

HARMLESS = {name: f"The {name} of the village was painted twice." for name in DOCUMENTS}


def around(payload: str, number: int) -> str:
    """The payload in the middle of a document that the gate takes."""
    rng = random.Random(number)
    return f"{prose([], 40, rng)}\n\n{payload}\n\n{prose([], 30, rng)}"


def consult(expert: str, *attach: str) -> dict[str, Any]:
    arguments = {"expert": expert, "instruction": f"Work, {expert}.", "attach": list(attach)}
    return {"name": "consult", "arguments": arguments}


# Every expert is consulted, each with the hostile document where it may have one.
TURNS = (
    (consult("seed_keyword_extraction", "seed-1"),),
    (consult("seed_keyword_expansion", "keywords-1"),),
    ({"name": "set_seeds", "arguments": {"source": "keywords-2"}},),
    (consult("domain_expert", "keywords-2"),),
    (
        consult("content_analyst", "draft-1"),
        consult("solution_expert", "draft-1"),
        consult("Devil's Advocate", "draft-1", "seed-1"),
    ),
    (consult("editor", "draft-1", "analysis-1"),),
    (consult("summarizer", "draft-2"), consult("topic_label", "draft-2")),
    ({"name": "submit", "arguments": {"draft": "draft-2"}},),
    ({"name": "give_up", "arguments": {"reason": "the gate did not take it"}},),
)


class Script:
    """A conductor that always takes the same turns; the domain expert writes `drafts` in turn.

    Args:
        drafts: Its documents.
        short: What summarizer, topic label, content analyst and solution expert answer in turn;
            without it, words that quote nothing.
    """

    def __init__(self, drafts: list[str], short: list[str] | None = None) -> None:
        self._drafts = iter(drafts)
        self._short = itertools.cycle(short) if short else None
        self._notes = random.Random(0)

    def __call__(self, request: dict[str, Any]) -> Reply:
        messages = request["messages"]
        if request.get("tools"):
            turn = sum(message["role"] == "assistant" for message in messages)
            return Reply(content=None, tool_calls=TURNS[turn])
        given = {each.kind: each.text for each in attachments(messages[-1])}
        match str(messages[0]["content"]).partition("\n")[0]:
            case "You are the Seed Keyword Extraction Expert.":
                return Reply(content="the village, the painter")
            case "You are the Seed Keyword Expansion Expert.":
                return Reply(content=given["keywords"] + ", the matter")
            case "You are the Domain Expert.":
                return Reply(content=next(self._drafts))
            case "You are the Editor Expert.":
                return Reply(content=given["draft"])
        if self._short is not None:
            return Reply(content=next(self._short))
        return Reply(content=prose([], 12, self._notes))


def run_with(
    documents: list[str], folder: Path, *, short: list[str] | None = None, port: int = 0
) -> tuple[list[Record], list[dict[str, Any]], int]:
    """Records and requests of a run whose seeds and drafts are the documents."""
    seeds = folder / "seeds"
    seeds.mkdir(parents=True)
    rows = (json.dumps({"text": document}) + "\n" for document in documents)
    (seeds / "seeds.jsonl").write_text("".join(rows))
    with OpenAIServer(Script(documents, short), port=port) as server:
        run = small_run(
            server.base_url,
            budget__records=len(documents),
            concurrency=1,
            seeds__keywords="[]",
            seeds__documents=seeds,
            seeds__refresh_every=1,
            gate__min_distance=0,
            gate__max_ngram_overlap=1,  # the drafts are the seeds
            gate__min_seed_words=0,
            gate__max_words=300,
            gate__check_language="false",
        )
        assert metasynth(*run, "--out", folder / "run") == 0
    assert not (folder / "run" / "rejected.jsonl").read_text()
    return corpus_of(folder / "run"), server.requests, server.port


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[Record], list[dict[str, Any]], int]:
    documents = [around(payload, number) for number, payload in enumerate(DOCUMENTS.values())]
    return run_with(documents, tmp_path_factory.mktemp("hostile"))


def test_they_reach_every_expert_and_the_corpus_as_they_are(
    hostile: tuple[list[Record], list[dict[str, Any]], int],
) -> None:
    records, requests, _ = hostile
    documents = [around(payload, number) for number, payload in enumerate(DOCUMENTS.values())]
    assert [record.text for record in records] == documents
    seen: dict[str, set[str]] = {}
    for request, attached in experts(requests):
        title = str(request["messages"][0]["content"]).partition("\n")[0]
        seen.setdefault(title, set()).update(
            each.text for each in attached if each.kind in ("seed", "draft")
        )
    for title in ("Seed Keyword Extraction Expert", "Devil's Advocate"):
        assert set(documents) <= seen[f"You are the {title}."]
    for title in ("Content Analyst", "Editor", "Solution", "Summarizer", "Topic Label"):
        assert seen[f"You are the {title} Expert."] == set(documents)


def test_they_change_no_decision(
    hostile: tuple[list[Record], list[dict[str, Any]], int], tmp_path: Path
) -> None:
    documents = [around(payload, number) for number, payload in enumerate(HARMLESS.values())]
    _, requests, _ = run_with(documents, tmp_path)
    assert decisions(hostile[1]) == decisions(requests)


def test_no_request_to_the_conductor_holds_a_document(
    hostile: tuple[list[Record], list[dict[str, Any]], int],
) -> None:
    _, requests, _ = hostile
    for number, payload in enumerate(DOCUMENTS.values()):
        pieces = [payload, *around(payload, number).split("\n\n")]
        for content in to_conductor(requests):
            assert not any(piece in content for piece in pieces if len(piece) > 30)


def test_hostile_summaries_topics_and_notes_change_no_decision(
    hostile: tuple[list[Record], list[dict[str, Any]], int], tmp_path: Path
) -> None:
    documents = [around(payload, number) for number, payload in enumerate(HARMLESS.values())]
    records, requests, _ = run_with(documents, tmp_path, short=list(DOCUMENTS.values()))
    assert decisions(hostile[1]) == decisions(requests)
    short = {payload.strip() for payload in DOCUMENTS.values()}
    assert {record.summary for record in records} <= short
    for content in to_conductor(requests):
        allowed = content.replace("\n", " ")
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") for char in allowed)


def test_half_a_character_does_no_harm(tmp_path: Path) -> None:
    """A server that cuts a text between two halves of a character sends a lone surrogate."""
    document = around("a lone surrogate \ud83d stands here", 1)
    records, _, _ = run_with([document, around("nothing of the kind", 2)], tmp_path)
    assert len(records) == 2
    assert (records[0].text or "").startswith(document[:40])


def experts(requests: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[Attached]]]:
    """The requests to experts with what is attached to them."""
    for request in requests:
        if not request.get("tools"):
            yield request, attachments(request["messages"][-1])


def to_conductor(requests: list[dict[str, Any]]) -> Iterator[str]:
    """The contents of all messages that the conductor was sent."""
    for request in requests:
        if request.get("tools"):
            yield from (str(message["content"]) for message in request["messages"])


def decisions(requests: list[dict[str, Any]]) -> list[list[str]]:
    """For each turn, the first line of what the conductor was told, and who was then asked.

    The calls of one turn are made at the same time, so their order says nothing.
    """
    turns: list[list[str]] = [[]]
    for request in requests:
        told = str(request["messages"][-1]["content"])
        if request.get("tools"):
            turns.append([told.partition("\n")[0]])
        else:
            title = str(request["messages"][0]["content"]).partition("\n")[0]
            refs = [f"{each.ref}/{each.kind}" for each in attachments(request["messages"][-1])]
            turns[-1].append(" ".join([title, *refs]))
    return [[*turn[:1], *sorted(turn[1:])] for turn in turns]
