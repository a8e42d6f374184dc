"""What the experts of instructions should answer: questions without solutions, advice, critique."""

import random
import re
from collections.abc import Sequence

from metasynth.domains.catalogue import get_domain
from metasynth.domains.deduction import Deduction
from metasynth.domains.language.base import Item
from metasynth.domains.language.vocabulary import THEMES, plural
from metasynth.domains.passage import Passage
from metasynth.domains.story.model import Story

from .chat import Attachment
from .crafts import CRAFTS, Craft, craft_of

INSTRUCT_ROLES = (
    "document_transformation",
    "persona_suggestion",
    "complexity_suggestion",
    "question_editor",
    "answer_critic",
)
TRANSFORM = "Turn the document into a question."
CHECK = "Check the answer."
EDIT = "Edit the question."
SUGGESTIONS = {
    "persona_suggestion": "Suggest who asks.",
    "complexity_suggestion": "Suggest how to make it harder.",
}
QUESTION_CHANGES = {
    "Rewrite with other names and numbers.": "other names",
    "Make it harder.": "harder",
    "Make it easier.": "easier",
    "Tell it in the first person.": "first person",
}
"""What a question's editor is told beside `Rewrite as a FORM.`, itself or by a suggestion."""

_FORM = re.compile(r"(?:Rewrite as|Turn the document into) an? ([a-z ]+)\.")
_ANY = get_domain("any")


def instruct_oracle(
    role: str, instruction: str, attachments: Sequence[Attachment], rng: random.Random
) -> str:
    """The answer of one expert of instructions."""
    texts = {attachment.kind: attachment.text for attachment in attachments}
    question = texts.get("question", texts.get("document", ""))
    craft, item = craft_of(question) or _unknown(question, rng)
    if role == "persona_suggestion":
        return f"{_persona(item, rng)} would ask it. {_other_way(craft, item, rng)}"
    if role == "complexity_suggestion":
        return f"{_harder(item)} Make it harder."
    if role == "answer_critic":
        return critique(texts.get("question", ""), texts.get("answer", ""))
    if role == "document_transformation":
        change = _change(instruction)
        same = not change or change == f"form {item.form}"
        return problem_of(item.text if same else craft.change(item, change, rng).text)
    change = _change(instruction) or _change(texts.get("note", "")) or "other names"
    return problem_of(craft.change(item, change, rng).text)


def problem_of(text: str) -> str:
    """A document up to its solution."""
    return text.partition(" Solution:")[0]


def critique(question: str, answer: str) -> str:
    """`Good.`, or what is wrong with the worked solution."""
    check = _ANY.check(f"{question} {answer}")
    if check.passed:
        return "Good."
    return f"Revise: {check.detail}." if check.parsed else "Revise: it is not worked out."


def _change(text: str) -> str:
    """The change that an instruction or the end of a suggestion names; "" for none."""
    if (form := _FORM.search(text)) and form[1] != "question":
        return f"form {form[1]}"
    return next((change for end, change in QUESTION_CHANGES.items() if text.endswith(end)), "")


def _persona(item: Item, rng: random.Random) -> str:
    theme = THEMES.get(item.theme)
    persona = rng.choice(theme.personas) if theme else "a friend"
    return persona[:1].upper() + persona[1:]


def _other_way(craft: Craft, item: Item, rng: random.Random) -> str:
    forms = [form for form in craft.forms if form != item.form]
    ways = ["Tell it in the first person."] * (item.form == "word problem")
    return rng.choice([*ways, "Rewrite with other names and numbers.", *map(_as_form, forms)])


def _as_form(form: str) -> str:
    return f"Rewrite as a {form}."


def _harder(item: Item) -> str:
    if isinstance(item, Story):
        return f"More can happen to the {plural(item.thing)}."
    if isinstance(item, Deduction):
        return f"There can be another kind between {item.kinds[0]} and {item.prop}."
    assert isinstance(item, Passage)
    return f"{item.fact.who} can do more with the {item.fact.thing}."


def _unknown(text: str, rng: random.Random) -> tuple[Craft, Item]:
    """Something to work on where a text is understood by nobody."""
    craft = CRAFTS[0]
    return craft, craft.draft(rng, form=rng.choice(craft.forms), keywords=re.findall(r"\w+", text))
