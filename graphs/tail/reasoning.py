"""What a model thought before the answers that a record is made of."""

from collections.abc import Iterable

from metasynth.agents.models.answers.cleaning import clean_answer, reasoning_of
from metasynth.memory.ledger import Call
from metasynth.records.conversation import turns
from metasynth.records.record import Record


def reasoning_behind(record: Record, calls: Iterable[Call]) -> list[str] | None:
    """The thinking before each answer of a record, "" where there was none; None: nowhere any.

    Args:
        record: Its document, or the assistant's turns of its conversation, are the answers.
        calls: Those that it took, in their order. The newest one that gave the answer's words is
            the one that made it; words that a person has edited were made by none.
    """
    heard = []
    for call in calls:
        answer = clean_answer(call.response)
        if thought := reasoning_of(answer):
            heard.append((_words(str(answer.text)), thought))
    if not heard:
        return None
    thoughts = []
    for turn in turns(record):
        said = _words(turn.answer)
        thoughts.append(next((t for text, t in reversed(heard) if said and said in text), ""))
    return thoughts if any(thoughts) else None


def _words(text: str) -> str:
    return " ".join(text.split())
