"""The ten tasks of AdaptLLM (Cheng et al., arXiv 2309.09530), in the format it publishes them in.

A row is a whole prompt, its examples included: `input`, then `options` with `gold_index`, or
`label`. An option is scored behind one blank by its mean log-likelihood a token; an answer is
generated greedily, up to a line's end. Two things differ from AdaptLLM's own code: an entity of NER
counts where text and type are both right (it counts each of the two), and a question that is too
long loses its beginning in choice tasks too.

Whether the prompt begins with a BOS token must be set for each model: AdaptLLM's own 7B models want
none, the Llama-3 ones want it, and the wrong setting shifts scores.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from metasynth.eval.tasks.judging.answers import label_in, numbers_in
from metasynth.eval.tasks.spec import (
    BadItemError,
    TaskItem,
    TaskMetric,
    TaskRow,
    TaskSource,
    TaskSpec,
    TaskVerdict,
    id_of,
    text_of,
    value_of,
)

_ENTITY = re.compile(r"(\S+)\s+\((\S+?)\)")
_NEAR = 1e-2
_FINANCE, _MEDICINE = "AdaptLLM/finance-tasks", "AdaptLLM/medicine-tasks"


def _read_choice(row: TaskRow) -> TaskItem:
    options, gold = value_of(row, "options"), value_of(row, "gold_index")
    if not isinstance(options, list) or len(options) < 2:
        raise BadItemError("field options is no list of options")
    if type(gold) is not int or not 0 <= gold < len(options):
        raise BadItemError("field gold_index is no place in options")
    choices = tuple(str(option) for option in options)
    group = str(row["class_id"]) if row.get("class_id") is not None else ""
    return TaskItem(id_of(row), text_of(row, "input"), choices[gold], choices, gold, group=group)


def _read_label(row: TaskRow) -> TaskItem:
    label = value_of(row, "label")
    first = label[0] if isinstance(label, list) and label else label
    if not isinstance(first, str | int | float):
        raise BadItemError("no text in field label")
    return TaskItem(id_of(row), text_of(row, "input"), str(first), target=str(first))


def _judge_choice(item: TaskItem, text: str) -> TaskVerdict:
    found = label_in(text, item.choices)
    return TaskVerdict(item.gold is not None and found == item.choices[item.gold], found)


def _judge_number(item: TaskItem, text: str) -> TaskVerdict:
    """Whether any number of the answer's first line is within 0.01 of the label's first one."""
    wanted, found = _shares(item.target), _shares(text)
    if not wanted:
        return TaskVerdict(None, None, "the label holds no number")
    if not found:
        return TaskVerdict(False, None)
    right = any(abs(one - wanted[0]) <= _NEAR for one in found)
    return TaskVerdict(right, ", ".join(f"{float(one):.6g}" for one in found))


def _shares(text: str) -> list[Fraction]:
    line = text.strip().partition("\n")[0]
    return [one.value / 100 if one.is_percent else one.value for one in numbers_in(line)]


def _judge_entities(item: TaskItem, text: str) -> TaskVerdict:
    """F1 of the entities, `Name (TYPE)`; a name is its last word, as with AdaptLLM."""
    wanted, found = set(_ENTITY.findall(item.target)), set(_ENTITY.findall(text))
    hits = len(wanted & found)
    total = len(wanted) + len(found)
    score = 2 * hits / total if total else 1.0
    told = ", ".join(f"{name} ({kind})" for name, kind in sorted(found)) or None
    return TaskVerdict(wanted == found, told, score=score)


def _task(
    name: str,
    title: str,
    source: tuple[str, str],
    metric: TaskMetric,
    judge: Callable[[TaskItem, str], TaskVerdict] | None = None,
) -> TaskSpec:
    repository, config = source
    scored = (
        "The likeliest option by mean log-likelihood a token; parsed: the option that is named."
    )
    return TaskSpec(
        name=name,
        title=title,
        read=_read_label if judge else _read_choice,
        judge=judge or _judge_choice,
        rule=f"{scored if judge is None else _RULES[name]} An answer with none is wrong.",
        rows=TaskSource(f"adaptllm/{config}", (repository, config, "test")),
        most_shots=0,  # they stand in the row
        stop=("\n",),
        max_new_tokens=100,
        metric=metric,
        cuts_left=True,
    )


_RULES = {
    "adaptllm_convfinqa": "Any number of the first line within 0.01 of the label's; 5% is 0.05.",
    "adaptllm_ner": "F1 of the entities 'Name (TYPE)' of the answer, a mean over the rows.",
}
ADAPTLLM: Sequence[TaskSpec] = (
    _task("fpb", "FPB", (_FINANCE, "FPB"), "weighted_f1"),
    _task("fiqa_sa", "FiQA SA", (_FINANCE, "FiQA_SA"), "weighted_f1"),
    _task("headline", "Headline", (_FINANCE, "Headline"), "grouped_weighted_f1"),
    _task("adaptllm_ner", "NER (AdaptLLM)", (_FINANCE, "NER"), "entity_f1", _judge_entities),
    _task(
        "adaptllm_convfinqa",
        "ConvFinQA (AdaptLLM)",
        (_FINANCE, "ConvFinQA"),
        "accuracy",
        _judge_number,
    ),
    _task("adaptllm_pubmedqa", "PubMedQA (AdaptLLM)", (_MEDICINE, "PubMedQA"), "accuracy"),
    _task("chemprot", "ChemProt", (_MEDICINE, "ChemProt"), "micro_f1"),
    _task("mqp", "MQP", (_MEDICINE, "MQP"), "accuracy"),
    _task("rct", "RCT", (_MEDICINE, "RCT"), "micro_f1"),
    _task("usmle", "USMLE", (_MEDICINE, "USMLE"), "accuracy"),
)
