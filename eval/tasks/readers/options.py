"""Questions that bring their options along: exams, and the tasks of AdaptLLM."""

from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, text_of, value_of


def read_lettered_options(row: TaskRow) -> TaskItem:
    """MedQA and MedMCQA: an exam question whose answer is a letter."""
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


def read_adaptllm_choice(row: TaskRow) -> TaskItem:
    """AdaptLLM: a whole prompt, its examples included, and options that are texts."""
    options, gold = value_of(row, "options"), value_of(row, "gold_index")
    if not isinstance(options, list) or len(options) < 2:
        raise BadItemError("field options is no list of options")
    if type(gold) is not int or not 0 <= gold < len(options):
        raise BadItemError("field gold_index is no place in options")
    choices = tuple(str(option) for option in options)
    group = str(row["class_id"]) if row.get("class_id") is not None else ""
    return TaskItem(id_of(row), text_of(row, "input"), choices[gold], choices, gold, group=group)


def read_adaptllm_label(row: TaskRow) -> TaskItem:
    """AdaptLLM: a whole prompt and the text that answers it."""
    label = value_of(row, "label")
    first = label[0] if isinstance(label, list) and label else label
    if not isinstance(first, str | int | float):
        raise BadItemError("no text in field label")
    return TaskItem(id_of(row), text_of(row, "input"), str(first), target=str(first))
