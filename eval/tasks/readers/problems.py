"""GSM8K and SVAMP: word problems with a number for an answer."""

import re
from fractions import Fraction

from metasynth.eval.tasks.judging.answers import final_number
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

_MARKS = re.compile(r"<<[^<>]*>>")
_RULE = (
    "The number behind the first ####, else behind the last 'answer is', else the last number; "
    "equal to the reference as a number (commas, currency, 18.00 and 36/2 read). An answer without "
    "a number is wrong."
)


def _read_gsm8k(row: TaskRow) -> TaskItem:
    answer = text_of(row, "answer")
    wanted = final_number(answer)
    if wanted is None or "####" not in answer:
        raise BadItemError("the reference has no number behind ####")
    return TaskItem(
        id=id_of(row),
        question=f"Question: {text_of(row, 'question').strip()}\nAnswer:",
        answer=_MARKS.sub("", answer).strip(),  # a calculator's marks, which no model should learn
        target=wanted.value,
    )


def _read_svamp(row: TaskRow) -> TaskItem:
    body, question = text_of(row, "body", "Body").strip(), text_of(row, "question", "Question")
    end = "" if body.endswith((".", "?", "!")) else "."
    number = final_number(str(value_of(row, "answer", "Answer")))
    if number is None:
        raise BadItemError("the reference is no number")
    return TaskItem(
        id=id_of(row, "ID"),
        question=f"Question: {body}{end} {question.strip()}\nAnswer:",
        answer=f"#### {_plain(number.value)}",
        target=number.value,
    )


def judge_number(item: TaskItem, text: str) -> TaskVerdict:
    """Whether an answer comes to the very number that is right."""
    found = final_number(text)
    if found is None:
        return TaskVerdict(False, None)
    return TaskVerdict(found.value == item.target, _plain(found.value))


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"


GSM8K = TaskSpec(
    name="gsm8k",
    title="GSM8K",
    read=_read_gsm8k,
    judge=judge_number,
    rule=_RULE,
    rows=TaskSource("gsm8k/test", ("openai/gsm8k", "main", "test")),
    examples=TaskSource("gsm8k/train", ("openai/gsm8k", "main", "train")),
    shots=5,
    instruction="Solve the problem step by step. End with a line of the form: #### NUMBER",
    stop=("\n\n", "Question:"),
    max_new_tokens=256,
)
SVAMP = TaskSpec(
    name="svamp",
    title="SVAMP",
    read=_read_svamp,
    judge=judge_number,
    rule=_RULE,
    rows=TaskSource("svamp/svamp", ("ChilleD/SVAMP", None, "test")),
    shots=5,
    instruction="Solve the problem. End with a line of the form: #### NUMBER",
    stop=("\n\n", "Question:"),
    max_new_tokens=128,
)
