"""MedQA and MedMCQA: exam questions with four options, answered with a letter."""

from metasynth.eval.tasks.judging.answers import label_in
from metasynth.eval.tasks.spec import (
    BadItemError,
    TaskItem,
    TaskRow,
    TaskSource,
    TaskSpec,
    TaskVerdict,
    id_of,
    text_of,
    value_of,
)

_RULE = (
    "The likeliest letter; where an answer is parsed: the letter behind 'answer is', else at the "
    "beginning, else the only one that occurs. An answer without a letter is wrong."
)


def _read(row: TaskRow) -> TaskItem:
    options = value_of(row, "options")
    if not isinstance(options, dict) or len(options) < 2:
        raise BadItemError("field options is no set of lettered options")
    letters = tuple(sorted(options))
    gold = text_of(row, "answer_idx").strip()
    if gold not in letters:
        raise BadItemError(f"the reference {gold[:40]!r} is none of {', '.join(letters)}")
    lines = [f"{letter}. {options[letter]}" for letter in letters]
    question = "\n".join([f"Question: {text_of(row, 'question').strip()}", *lines, "Answer:"])
    return TaskItem(id_of(row), question, gold, letters, letters.index(gold))


def _judge(item: TaskItem, text: str) -> TaskVerdict:
    found = label_in(text, item.choices)
    return TaskVerdict(item.gold is not None and found == item.choices[item.gold], found)


def _exam(name: str, title: str, hub: tuple[str, str | None, str] | None) -> TaskSpec:
    return TaskSpec(
        name=name,
        title=title,
        read=_read,
        judge=_judge,
        rule=_RULE,
        rows=TaskSource(f"{name}/test", hub),
        shots=3,
        instruction="Answer with the letter of the right option. End with: The answer is LETTER",
        max_new_tokens=16,
    )


MEDQA = _exam("medqa", "MedQA", ("GBaker/MedQA-USMLE-4-options", None, "test"))
MEDMCQA = _exam("medmcqa", "MedMCQA", None)
