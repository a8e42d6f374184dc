"""Training examples of the experts of instructions and of their conductor."""

import random
from collections.abc import Callable, Mapping, Sequence

from .chat import Attachment, Message, ToolCall
from .crafts import Craft
from .instruct_conductor import INSTRUCT_BRIEF, INSTRUCT_REFUSALS, INSTRUCT_TITLE, instruct_policy
from .instruct_oracle import (
    CHECK,
    EDIT,
    QUESTION_CHANGES,
    SUGGESTIONS,
    TRANSFORM,
    instruct_oracle,
    problem_of,
)
from .oracle import title

INSTRUCT_TASKS: Mapping[str, float] = {
    "transform": 6,
    "suggest": 3,
    "revise": 8,
    "criticise": 4,
    "conduct_instruct": 4,
}
"""Weight of each task, beside those of `tasks.TASKS`."""

_KIND = {
    "document_transformation": "question",
    "question_editor": "question",
    "persona_suggestion": "note",
    "complexity_suggestion": "note",
}
_ERRORS = (
    "error: nothing is called question-9",
    "error: question_editor gave an empty answer; ask again",
    "error: consult: attach: Input should be a valid list",
)

Maker = Callable[[Craft, random.Random], list[Message]]


def _expert(
    role: str, instruction: str, attachments: Sequence[Attachment], rng: random.Random
) -> list[Message]:
    answer = instruct_oracle(role, instruction, attachments, rng)
    return [
        Message("system", title(role)),
        Message("user", instruction, tuple(attachments)),
        Message("assistant", answer),
    ]


def _document(craft: Craft, rng: random.Random) -> str:
    return craft.draft(rng, form=rng.choice(craft.forms), keywords=()).text


def _question(craft: Craft, rng: random.Random) -> Attachment:
    return Attachment("question", problem_of(_document(craft, rng)))


def _transform(craft: Craft, rng: random.Random) -> list[Message]:
    instruction = TRANSFORM
    if rng.random() < 0.7:
        instruction = f"Turn the document into a {rng.choice(craft.forms)}."
    attached = [Attachment("document", _document(craft, rng))]
    return _expert("document_transformation", instruction, attached, rng)


def _suggest(craft: Craft, rng: random.Random) -> list[Message]:
    role = rng.choice(list(SUGGESTIONS))
    return _expert(role, SUGGESTIONS[role], [_question(craft, rng)], rng)


def _revise(craft: Craft, rng: random.Random) -> list[Message]:
    question = _question(craft, rng)
    if rng.random() < 0.5:
        ways = [*QUESTION_CHANGES, *(f"Rewrite as a {form}." for form in craft.forms)]
        return _expert("question_editor", rng.choice(ways), [question], rng)
    role = rng.choice(list(SUGGESTIONS))
    note = instruct_oracle(role, SUGGESTIONS[role], [question], rng)
    return _expert("question_editor", EDIT, [question, Attachment("note", note)], rng)


def _criticise(craft: Craft, rng: random.Random) -> list[Message]:
    item = craft.draft(rng, form=rng.choice(craft.forms), keywords=())
    text = craft.spoil(item, rng) if rng.random() < 0.5 else item.text
    answer = f"Solution:{text.partition(' Solution:')[2]}"
    if rng.random() < 0.05:
        answer = answer.partition(".")[0]
    attached = [Attachment("question", problem_of(text)), Attachment("answer", answer)]
    return _expert("answer_critic", CHECK, attached, rng)


def _conduct(craft: Craft, rng: random.Random) -> list[Message]:
    """A whole conversation of the conductor with simulated results."""
    attached = [Attachment("document", "document-1", "document-1")]
    if rng.random() < 0.6:  # instructions were written before
        attached.append(Attachment("neighbours", "neighbours", "neighbours"))
    if rng.random() < 0.8:
        forms = rng.sample(craft.forms, rng.choice((1, 2, 3, 3)))
        attached.append(Attachment("forms", ", ".join(forms), "forms"))
    messages = [
        Message("system", INSTRUCT_TITLE),
        Message("user", INSTRUCT_BRIEF, tuple(attached)),
    ]
    counts: dict[str, int] = {}
    accept = rng.choice((0.2, 0.5, 0.8))
    while True:
        calls = instruct_policy(messages, rng)
        messages.append(Message("assistant", tool_calls=tuple(calls)))
        if calls[0].name == "give_up" or (calls[0].name == "submit" and rng.random() < accept):
            return messages
        messages += [Message("tool", _result(call, counts, rng)) for call in calls]


def _result(call: ToolCall, counts: dict[str, int], rng: random.Random) -> str:
    if rng.random() < 0.015:
        return rng.choice(_ERRORS)
    if call.name == "submit":
        likely = INSTRUCT_REFUSALS[:5]
        reason = rng.choice(likely if rng.random() < 0.8 else INSTRUCT_REFUSALS)
        return f"refused {call.arguments['question']}: {reason}"
    expert = str(call.arguments["expert"])
    kind = _KIND[expert]
    counts[kind] = counts.get(kind, 0) + 1
    return f"{kind}-{counts[kind]} by {expert}"


INSTRUCT_MAKERS: Mapping[str, Maker] = {
    "transform": _transform,
    "suggest": _suggest,
    "revise": _revise,
    "criticise": _criticise,
    "conduct_instruct": _conduct,
}
