"""Records in the shapes that trainers read, a row or more of each.

Columns are those that TRL documents for its trainers (`messages`, `prompt` and `completion`,
`prompt`, `chosen` and `rejected`) and ShareGPT's `conversations`; lineage follows in columns of its
own, which trainers ignore.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .record import Message, Record

Row = dict[str, Any]
Columns = Mapping[str, Any]
"""The type of each column: `string`, `int`, `token`, `json`, a list with the type of its parts, or
fields with theirs. `json` is one value of any kind, which a table holds as its text."""

_MESSAGES = [{"role": "string", "content": "string"}]
_LINEAGE: Columns = {
    "id": "string",
    "kind": "string",
    "domain": "string",
    "topic": "string",
    "persona": "string",
    "genre": "string",
    "source": "string",
    "seed_ids": ["string"],
    "parent_ids": ["string"],
    "experts": ["string"],
}
_RECORD: Columns = {
    "id": "string",
    "kind": "string",
    "text": "string",
    "messages": _MESSAGES,
    **{name: type_ for name, type_ in _LINEAGE.items() if name not in ("id", "kind")},
    "keywords": ["string"],
    "summary": "string",
    "revisions": "int",
    "refusals": ["string"],
    "rejected_answers": [
        {"turn": "int", "content": "string", "by": "string", "reason": "string"},
    ],
    "novelty": "json",
    "student": "json",
    "seed_score": "json",
    "checker": "json",
    "generation": "json",
    "created_at": "string",
}
_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}


class Shape(NamedTuple):
    """A shape: its columns in their order, and the rows that a record gives.

    `rows` takes a record and whether conversations become plain text, for models without a chat
    template; shapes that have no such form ignore it. `plain` are the columns in that form.
    """

    columns: Columns
    rows: Callable[[Record, bool], Iterator[Row]]
    plain: Columns | None = None


def plain_form(messages: Sequence[Message]) -> str:
    """A conversation as plain text: `Question:` or `Answer:` before a turn, blank lines between.

    A system message has no such mark.
    """
    marks = {"user": "Question: ", "assistant": "Answer: "}
    return "\n\n".join(f"{marks.get(one.role, '')}{one.content}" for one in messages)


def conversation(record: Record) -> list[Message]:
    """An instruction's messages; a document as the answer to a request for such a text."""
    if record.messages is not None:
        return list(record.messages)
    form = record.genre or "document"
    about = ", ".join(record.keywords) or record.topic
    ask = f"Write a {form} about: {about}." if about else f"Write a {form}."
    return [
        Message(role="user", content=ask),
        Message(role="assistant", content=record.text or ""),
    ]


def running_text(record: Record) -> str:
    """What a model reads in pre-training: a document's text, an instruction in its plain form."""
    return record.text if record.text is not None else plain_form(record.messages or [])


def _lineage(record: Record) -> Row:
    return {name: getattr(record, name) for name in _LINEAGE}


def _dumped(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [message.model_dump() for message in messages]


def _record(record: Record, _: bool) -> Iterator[Row]:
    yield record.model_dump(mode="json", exclude_none=True)


def _text(record: Record, _: bool) -> Iterator[Row]:
    yield {"text": running_text(record), **_lineage(record)}


def _chat(record: Record, _: bool) -> Iterator[Row]:
    yield {"messages": _dumped(conversation(record)), **_lineage(record)}


def _sharegpt(record: Record, _: bool) -> Iterator[Row]:
    turns = [{"from": _SHAREGPT[m.role], "value": m.content} for m in conversation(record)]
    yield {"conversations": turns, **_lineage(record)}


def _prompt(record: Record, plain: bool) -> Iterator[Row]:
    """A row for each answer, with the conversation before it as the prompt."""
    messages = conversation(record)
    answers = [place for place, one in enumerate(messages) if one.role == "assistant"]
    for turn, place in enumerate(answers, start=1):
        yield {
            "prompt": _asked(messages[:place], plain),
            "completion": _said(messages[place].content, plain),
            "turn": turn,
            **_lineage(record),
        }


def _preferences(record: Record, plain: bool) -> Iterator[Row]:
    """A row for each answer that was not kept, beside the one that was."""
    messages = conversation(record)
    answers = [place for place, one in enumerate(messages) if one.role == "assistant"]
    for one in record.rejected_answers or []:
        if one.turn > len(answers):  # the conversation ended before this question
            continue
        place = answers[one.turn - 1]
        kept = messages[place].content
        if one.content.strip() and one.content.strip() != kept.strip():
            yield {
                "prompt": _asked(messages[:place], plain),
                "chosen": _said(kept, plain),
                "rejected": _said(one.content, plain),
                "turn": one.turn,
                "by": one.by,
                "reason": one.reason,
                **_lineage(record),
            }


def _asked(messages: Sequence[Message], plain: bool) -> Any:
    return f"{plain_form(messages)}\n\nAnswer:" if plain else _dumped(messages)


def _said(answer: str, plain: bool) -> Any:
    return f" {answer}" if plain else [{"role": "assistant", "content": answer}]


def _columns(*names: str, more: Columns | None = None, of: Any = _MESSAGES) -> Columns:
    return {**dict.fromkeys(names, of), **(more or {}), **_LINEAGE}


_TURN: Columns = {"turn": "int"}
_REASON: Columns = {**_TURN, "by": "string", "reason": "string"}
SHAPES: Mapping[str, Shape] = {
    "records": Shape(_RECORD, _record),
    "text": Shape(_columns("text", of="string"), _text),
    "chat": Shape(_columns("messages"), _chat),
    "prompt": Shape(
        _columns("prompt", "completion", more=_TURN),
        _prompt,
        _columns("prompt", "completion", more=_TURN, of="string"),
    ),
    "preferences": Shape(
        _columns("prompt", "chosen", "rejected", more=_REASON),
        _preferences,
        _columns("prompt", "chosen", "rejected", more=_REASON, of="string"),
    ),
    "sharegpt": Shape(
        _columns("conversations", of=[{"from": "string", "value": "string"}]), _sharegpt
    ),
}
"""The shapes by their names."""
