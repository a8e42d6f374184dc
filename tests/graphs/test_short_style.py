"""`experts.style: short`: one message, and JSON for lists and labels, for models that are small."""

import json
import random
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from metasynth.records.record import Record
from tests.bends.bend import Bend, refusal
from tests.commands import corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.prose import summary
from tests.teacher import Teacher

KEYWORDS = ["harbour", "ballot", "orchard"]
NO_FORMS = Bend(
    "no forms",
    refuse=lambda body: (
        refusal("response_format is not supported", param="response_format")
        if "response_format" in body
        else None
    ),
)
ASKED = {
    "keywords": "Name three to eight keywords|Write the keywords",
    "topic": "Name the topic",
    "summary": "Say in one sentence",
    "persona": "Who could write",
}


class Small(Teacher):
    """A small model: lists and labels in JSON where a schema asks for it, else in plain words."""

    def __call__(self, request: dict[str, Any]) -> Reply:
        """The answer to a chat request."""
        if request.get("tools"):
            return super().__call__(request)
        (message,) = request["messages"]
        text = str(message["content"])
        form = request.get("response_format", {}).get("json_schema")
        made: dict[str, Any] = {
            "keywords": KEYWORDS,
            "topic": "harbour life",
            "persona": "a clerk on the late shift",
            "summary": summary(text.rpartition("Text:")[2]),
        }
        kind = next(
            (
                kind
                for kind, words in ASKED.items()
                if re.search(f"^(?:{words})", text, re.MULTILINE)
            ),
            "",
        )
        if not kind:
            rng = random.Random(self._digest(request))
            return Reply(content=self._draft(text, ", ".join(KEYWORDS), rng))
        if form:
            jsonschema.validate({kind: made[kind]}, form["schema"])
            return Reply(content=json.dumps({kind: made[kind]}))
        plain = ", ".join(KEYWORDS) if kind == "keywords" else made[kind]
        return Reply(content=f"{kind}: {plain}")


def written(
    out: Path, bends: tuple[Bend, ...] = (), **values: object
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The records of a small run, and what its experts were sent."""
    with OpenAIServer(Small(), bends=bends) as server:
        short = {"experts__style": "short", "budget__records": 2, "budget__stall_after": 1}
        run = small_run(server.base_url, concurrency=1, **short, **values)
        assert metasynth(*run, "--out", out) == 0
        return corpus_of(out), [each for each in server.requests if not each.get("tools")]


@pytest.mark.parametrize("policy", ["fixed", "model"])
def test_experts_are_asked_in_one_short_message(tmp_path: Path, policy: str) -> None:
    records, requests = written(tmp_path / "run", conductor__policy=policy)
    assert len(records) == 2
    for request in requests:
        (message,) = request["messages"]
        assert message["role"] == "user"
        assert "~~~" not in message["content"]
    for record in records:
        assert set(KEYWORDS) <= set(record.keywords)
        assert record.topic == "harbour life"
        assert record.persona in ("", "a clerk on the late shift") or policy == "model"
        assert record.summary
        assert "{" not in record.summary


def test_where_forms_are_refused_plain_answers_are_read(tmp_path: Path) -> None:
    records, requests = written(tmp_path / "run", (NO_FORMS,), conductor__policy="fixed")
    assert len(records) == 2
    assert sum("response_format" in request for request in requests) <= 4  # one a form
    assert {record.topic for record in records} == {"harbour life"}


def test_a_style_of_its_own_makes_a_run_of_its_own(tmp_path: Path) -> None:
    written(tmp_path / "run", conductor__policy="fixed")
    with OpenAIServer(Small()) as server:
        run = small_run(server.base_url, conductor__policy="fixed", concurrency=1)
        assert metasynth(*run, "--out", tmp_path / "run") == 2
        assert server.requests == []
