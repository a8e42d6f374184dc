"""BoolQ, PubMedQA and ProntoQA: a passage, a question, and one of two or three words for answer."""

from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, text_of, value_of

_YES_NO = ("yes", "no")
_PUBMED = ("yes", "no", "maybe")
_TRUTH = ("True", "False")


def read_boolq(row: TaskRow) -> TaskItem:
    """A passage, a question, yes or no."""
    answer = value_of(row, "answer", "label")
    if not isinstance(answer, bool | int) or answer not in (0, 1):
        raise BadItemError("field answer is neither true nor false")
    question = text_of(row, "question").strip().rstrip("?")
    asked = f"{text_of(row, 'passage').strip()}\nQuestion: {question}?\nAnswer:"
    return _item(row, _YES_NO, "yes" if answer else "no", asked)


def read_pubmedqa(row: TaskRow) -> TaskItem:
    """An abstract, a question, yes, no or maybe."""
    contexts = value_of(row, "contexts", "context")
    if isinstance(contexts, dict):
        contexts = contexts.get("contexts")
    if not isinstance(contexts, list) or not all(isinstance(part, str) for part in contexts):
        raise BadItemError("field contexts is no list of texts")
    gold = text_of(row, "final_decision").strip().lower()
    abstract = " ".join(part.strip() for part in contexts)
    asked = f"Abstract: {abstract}\nQuestion: {text_of(row, 'question').strip()}\nAnswer:"
    return _item(row, _PUBMED, gold, asked, "pmid" if "pmid" in row else "pubid")


def read_prontoqa(row: TaskRow) -> TaskItem:
    """A text, a statement, True or False (or A and B)."""
    letter = text_of(row, "answer").strip()
    gold = {"A": "True", "B": "False"}.get(letter, letter)
    asked = f"{text_of(row, 'context').strip()}\nQuestion: {text_of(row, 'question').strip()}"
    return _item(row, _TRUTH, gold, f"{asked}\nAnswer:")


def _item(
    row: TaskRow, choices: tuple[str, ...], gold: str, question: str, name: str = "id"
) -> TaskItem:
    if gold not in choices:
        raise BadItemError(f"the reference {gold[:40]!r} is none of {', '.join(choices)}")
    return TaskItem(id_of(row, name), question, gold, choices, choices.index(gold))
