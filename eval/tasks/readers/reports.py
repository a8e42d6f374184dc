"""FinQA and ConvFinQA: a number, or yes or no, from the text and the table of a report."""

from fractions import Fraction

from metasynth.eval.tasks.judging.parsing import final_number, numbers_in
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, text_of, value_of


def read_finqa(row: TaskRow) -> TaskItem:
    """Text and table of a page, and a question; the target is computed and as printed."""
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
    lines = [" | ".join(map(str, line)) if isinstance(line, list) else str(line) for line in rows]
    parts = [before, "\n".join(lines), after]
    text = "\n".join(part for part in parts if part.strip())
    return f"{text}\nQuestion: {text_of(row, 'question').strip()}\nAnswer:"


def _joined(row: TaskRow, name: str) -> str:
    value = row.get(name)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def read_convfinqa(row: TaskRow) -> TaskItem:
    """A page and a conversation, whose last question is asked."""
    questions = value_of(row, "questions")
    if not isinstance(questions, list) or not questions:
        raise BadItemError("field questions is no list of questions")
    asked = "\n".join(f"Question: {str(each).strip()}" for each in questions)
    page = f"{str(row.get('text') or '').strip()}\n{str(row.get('table') or '').strip()}".strip()
    question = f"{page}\n{asked}\nAnswer:"
    answer = str(value_of(row, "answer")).strip()
    if answer.lower() in ("yes", "no"):
        return TaskItem(id_of(row), question, answer.lower(), target=answer.lower())
    value = final_number(answer)
    if value is None:
        raise BadItemError("the reference is neither a number nor yes or no")
    return TaskItem(id_of(row), question, answer, target=(value.value, []))
