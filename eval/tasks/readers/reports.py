"""FinQA and ConvFinQA: a number, or yes or no, from the text and the table of a report."""

from fractions import Fraction

from metasynth.eval.tasks.judging.answers import (
    Number,
    final_number,
    label_in,
    numbers_in,
    rounds_to,
)
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
    "The number an answer comes to must be the computed value, or round to it from three digits up"
    "{printed}; per cent and share are taken for each other. {words}An answer without a number is "
    "wrong. Scale words ('million') are not read."
)


def _read_finqa(row: TaskRow) -> TaskItem:
    if isinstance(row.get("qa"), dict):  # as the authors published it
        row = {**row, **row["qa"]}
    printed, value = row.get("answer"), row.get("exe_ans")
    printed = printed.strip() if isinstance(printed, str) else ""
    if isinstance(value, str) and value.strip().lower() in ("yes", "no"):
        printed = value.strip().lower()
        return TaskItem(id_of(row), _page(row), printed, target=printed)
    if isinstance(value, str):
        parsed = final_number(value)
        wanted = parsed.value if parsed else None
    else:
        wanted = _exact(value)
    stated = numbers_in(printed)
    if wanted is None and not stated:
        raise BadItemError("the reference is neither a number nor yes or no")
    known = wanted if wanted is not None else stated[0].value
    return TaskItem(id_of(row), _page(row), printed or str(value), target=(known, stated[:1]))


def _exact(value: object) -> Fraction | None:
    """A number of JSON, which may be NaN (or true)."""
    try:
        return Fraction(str(value)) if isinstance(value, int | float) else None
    except ValueError:
        return None


def _page(row: TaskRow) -> str:
    before, after = (_joined(row, name) for name in ("pre_text", "post_text"))
    table = value_of(row, "table")
    rows = table if isinstance(table, list) else [table]
    lines = [" | ".join(map(str, one)) if isinstance(one, list) else str(one) for one in rows]
    parts = [before, "\n".join(lines), after]
    text = "\n".join(part for part in parts if part.strip())
    return f"{text}\nQuestion: {text_of(row, 'question').strip()}\nAnswer:"


def _joined(row: TaskRow, name: str) -> str:
    value = row.get(name)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _read_convfinqa(row: TaskRow) -> TaskItem:
    questions = value_of(row, "questions")
    if not isinstance(questions, list) or not questions:
        raise BadItemError("field questions is no list of questions")
    asked = "\n".join(f"Question: {str(one).strip()}" for one in questions)
    page = f"{str(row.get('text') or '').strip()}\n{str(row.get('table') or '').strip()}".strip()
    question = f"{page}\n{asked}\nAnswer:"
    answer = str(value_of(row, "answer")).strip()
    if answer.lower() in ("yes", "no"):
        return TaskItem(id_of(row), question, answer.lower(), target=answer.lower())
    value = final_number(answer)
    if value is None:
        raise BadItemError("the reference is neither a number nor yes or no")
    return TaskItem(id_of(row), question, answer, target=(value.value, []))


def _judge(item: TaskItem, text: str) -> TaskVerdict:
    if isinstance(item.target, str):
        label = label_in(text, ("yes", "no"))
        return TaskVerdict(label == item.target, label)
    wanted, stated = item.target
    found = final_number(text)
    if found is None:
        return TaskVerdict(False, None)
    right = rounds_to(found, wanted) or any(_same(found, one) for one in stated)
    return TaskVerdict(right, found.text)


def _same(found: Number, stated: Number) -> bool:
    """Whether a number is the printed answer, of which digits were cut off at times."""
    return found.value == stated.value


FINQA = TaskSpec(
    name="finqa",
    title="FinQA",
    read=_read_finqa,
    judge=_judge,
    rule=_RULE.format(
        printed=", or be the printed answer", words="Yes and no are read where they are asked for. "
    ),
    rows=TaskSource("finqa/test", ("wujian123/finqa", None, "test")),
    examples=TaskSource("finqa/train", ("wujian123/finqa", None, "train")),
    shots=1,
    instruction="Answer the question about the report. End with: The answer is NUMBER",
    stop=("\n",),
    max_new_tokens=64,
)
CONVFINQA = TaskSpec(
    name="convfinqa",
    title="ConvFinQA",
    read=_read_convfinqa,
    judge=_judge,
    rule=_RULE.format(printed="", words="Earlier questions are shown, their answers are not. "),
    rows=TaskSource("convfinqa/dev"),
    shots=0,
    instruction="Answer the last question about the report. End with: The answer is NUMBER",
    stop=("\n",),
    max_new_tokens=64,
)
