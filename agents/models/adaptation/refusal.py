"""What an endpoint's refusal says: its status, its sentences, and the places that it points at."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metasynth.agents.models.evidence import evidence_of

_WORDS = ("message", "msg", "detail", "error", "reason", "description", "title", "raw", "error_msg")
_PLACES = ("param", "loc", "field", "path", "parameter", "instancePath", "location")
_WRITTEN_PLACE = re.compile(r"\b(?:messages|tools|response_format)[.\[][\w.\[\]]*\w")
_DEEPEST = 8


@dataclass(frozen=True)
class Sentence:
    """A line of a refusal, and the parts of the places that stand beside it (`tools`, `strict`)."""

    text: str
    places: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A request turned down."""

    status: int
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """All that was said."""
        return "\n".join(sentence.text for sentence in self.sentences)


def refusal_of(error: Exception) -> Refusal | None:
    """What an error says of the request; None where it is no endpoint's answer.

    Servers refuse with a status, with an event inside a stream, or with status 200 and an object
    `error` instead of choices.
    """
    evidence = evidence_of(error)
    body = evidence.body if evidence.body is not None else evidence.words
    if evidence.status is not None:
        return Refusal(evidence.status, tuple(_sentences(body)))
    if isinstance(evidence.body, dict):
        return Refusal(400, tuple(_sentences(body)))
    return None


def _sentences(
    body: Any, places: tuple[tuple[str, ...], ...] = (), depth: int = 0
) -> Iterator[Sentence]:
    """The sentences of a body in any form: a text, an object, a list, JSON inside a text."""
    if depth > _DEEPEST:
        return
    if isinstance(body, str):
        inner = _as_json(body)
        if inner is not None:
            yield from _sentences(inner, places, depth + 1)
        else:
            lines = (line.strip() for line in body.splitlines())
            yield from (Sentence(line, places or _places_in(line)) for line in lines if line)
    elif isinstance(body, list):
        for item in body:
            yield from _sentences(item, places, depth + 1)
    elif isinstance(body, dict):
        yield from _sentences_of_object(body, places, depth)


def _sentences_of_object(
    body: dict[str, Any], places: tuple[tuple[str, ...], ...], depth: int
) -> Iterator[Sentence]:
    own = tuple(parts for key in _PLACES if (parts := _parts(body.get(key)))) or places
    texts = [body[key] for key in _WORDS if isinstance(body.get(key), str)]
    inner = [
        item
        for key, item in body.items()
        if isinstance(item, dict | list) and key not in (*_PLACES, "input", "ctx")
    ]
    for item in [*texts, *inner]:
        yield from _sentences(item, own, depth + 1)


def _as_json(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _places_in(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_parts(match) for match in _WRITTEN_PLACE.findall(text))


def _parts(place: Any) -> tuple[str, ...]:
    """`messages[0].role`, `/messages/0/role` or `["body", "messages", 0, "role"]` as names."""
    if isinstance(place, str):
        place = re.split(r"[\[\]./:\s'\"]+", place)
    if not isinstance(place, list):
        return ()
    return tuple(str(part) for part in place if isinstance(part, str) and part not in ("", "body"))
