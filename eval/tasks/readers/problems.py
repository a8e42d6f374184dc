"""GSM8K and SVAMP: word problems with a number for an answer."""

import re

from metasynth.eval.tasks.judging.parsing import final_number, plain_number
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, text_of, value_of

_MARKS = re.compile(r"<<[^<>]*>>")


def read_gsm8k(row: TaskRow) -> TaskItem:
    """The number behind #### is the target."""
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


def read_svamp(row: TaskRow) -> TaskItem:
    """Body and question are one text."""
    body, question = text_of(row, "body", "Body").strip(), text_of(row, "question", "Question")
    end = "" if body.endswith((".", "?", "!")) else "."
    number = final_number(str(value_of(row, "answer", "Answer")))
    if number is None:
        raise BadItemError("the reference is no number")
    return TaskItem(
        id=id_of(row, "ID"),
        question=f"Question: {body}{end} {question.strip()}\nAnswer:",
        answer=f"#### {plain_number(number.value)}",
        target=number.value,
    )
