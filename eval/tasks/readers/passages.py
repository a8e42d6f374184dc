"""BoolQ, PubMedQA and ProntoQA: a passage, a question, and one of two or three words for answer."""

from collections.abc import Callable

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

_YES_NO = ("yes", "no")
_PUBMED = ("yes", "no", "maybe")
_TRUTH = ("True", "False")
_RULE = (
    "The likeliest of {labels}; where an answer is parsed: the one behind 'answer is', else at the "
    "beginning, else the only one that occurs. An answer with none of them, or undecided between "
    "them, is wrong."
)


def _judge(synonyms: dict[str, str]) -> Callable[[TaskItem, str], TaskVerdict]:
    def judge(item: TaskItem, text: str) -> TaskVerdict:
        label = label_in(text, list(synonyms))
        if label is None:
            return TaskVerdict(False, None)
        found = synonyms[label]
        return TaskVerdict(item.gold is not None and found == item.choices[item.gold], found)

    return judge


def _item(
    row: TaskRow, choices: tuple[str, ...], gold: str, question: str, name: str = "id"
) -> TaskItem:
    if gold not in choices:
        raise BadItemError(f"the reference {gold[:40]!r} is none of {', '.join(choices)}")
    return TaskItem(id_of(row, name), question, gold, choices, choices.index(gold))


def _read_boolq(row: TaskRow) -> TaskItem:
    answer = value_of(row, "answer", "label")
    if not isinstance(answer, bool | int) or answer not in (0, 1):
        raise BadItemError("field answer is neither true nor false")
    question = text_of(row, "question").strip().rstrip("?")
    asked = f"{text_of(row, 'passage').strip()}\nQuestion: {question}?\nAnswer:"
    return _item(row, _YES_NO, "yes" if answer else "no", asked)


def _read_pubmedqa(row: TaskRow) -> TaskItem:
    contexts = value_of(row, "contexts", "context")
    if isinstance(contexts, dict):
        contexts = contexts.get("contexts")
    if not isinstance(contexts, list) or not all(isinstance(one, str) for one in contexts):
        raise BadItemError("field contexts is no list of texts")
    gold = text_of(row, "final_decision").strip().lower()
    abstract = " ".join(one.strip() for one in contexts)
    asked = f"Abstract: {abstract}\nQuestion: {text_of(row, 'question').strip()}\nAnswer:"
    return _item(row, _PUBMED, gold, asked, "pmid" if "pmid" in row else "pubid")


def _read_prontoqa(row: TaskRow) -> TaskItem:
    letter = text_of(row, "answer").strip()
    gold = {"A": "True", "B": "False"}.get(letter, letter)
    asked = f"{text_of(row, 'context').strip()}\nQuestion: {text_of(row, 'question').strip()}"
    return _item(row, _TRUTH, gold, f"{asked}\nAnswer:")


BOOLQ = TaskSpec(
    name="boolq",
    title="BoolQ",
    read=_read_boolq,
    judge=_judge({"yes": "yes", "no": "no", "true": "yes", "false": "no"}),
    rule=_RULE.format(labels="yes and no"),
    rows=TaskSource("boolq/dev", ("google/boolq", None, "validation")),
    examples=TaskSource("boolq/train", ("google/boolq", None, "train")),
    shots=3,
    instruction="Answer the question about the passage with yes or no.",
    stop=("\n",),
    max_new_tokens=16,
)
PUBMEDQA = TaskSpec(
    name="pubmedqa",
    title="PubMedQA",
    read=_read_pubmedqa,
    judge=_judge({label: label for label in _PUBMED}),
    rule=_RULE.format(labels="yes, no and maybe"),
    rows=TaskSource(
        "pubmedqa/pqal", ("qiaojin/PubMedQA", "pqa_labeled", "train"), ("official_split", "test")
    ),
    examples=TaskSource(
        "pubmedqa/pqal", ("qiaojin/PubMedQA", "pqa_labeled", "train"), ("official_split", "cv")
    ),
    shots=0,
    instruction="Answer the question from the abstract with yes, no or maybe.",
    stop=("\n",),
    max_new_tokens=16,
)
PRONTOQA = TaskSpec(
    name="prontoqa",
    title="ProntoQA",
    read=_read_prontoqa,
    judge=_judge({"true": "True", "false": "False", "A": "True", "B": "False"}),
    rule=_RULE.format(labels="True and False (A and B are read)"),
    rows=TaskSource("prontoqa/dev", ("renma/ProntoQA", None, "validation")),
    shots=3,
    instruction="Say whether the statement follows from the text. End with: The answer is True, "
    "or: The answer is False",
    max_new_tokens=16,
)
