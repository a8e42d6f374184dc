"""How the baselines of instructions come by a question. All wording is ours.

self_instruct: Wang et al. 2022: eight instructions are shown, six of them seeds, and another one is
asked for; kept if ROUGE-L to the pool is below 0.7. evol_instruct: Xu et al. 2023: one of five
operations in depth or one in breadth, drawn evenly, and an eliminator of evolutions that failed.
template_qa: one fixed prompt with the document, for question and answer at once.
"""

import random
import re
from collections.abc import Mapping
from typing import NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage

from metasynth.agents.models.embedded.prompts import (
    SOLUTION_MARK,
    another_like,
    harder_than,
    question_about,
)
from metasynth.errors import PromptError
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.admission.instruction_checks import without_label
from metasynth.graphs.admission.likeness import InstructionPool
from metasynth.graphs.workspace import Workspace
from metasynth.text.words import encodable, words

BASELINES = ("self_instruct", "evol_instruct", "template_qa")
SEEDS_SHOWN, MADE_SHOWN = 6, 2
OPERATIONS: Mapping[str, str] = {
    "constraints": "Add one constraint or requirement to it.",
    "deepen": "If it asks about something, make it ask for more depth and breadth about that.",
    "concretise": "Replace general notions in it by more specific ones.",
    "reasoning": "If few thoughts solve it, make it ask for several steps of reasoning explicitly.",
    "complicate": "Give it more complicated input: data, a table, code or a formula to work on.",
    "breadth": "Write another one of the same domain and of like length that is rarer than it.",
}
_EVOLVE = (
    "Here is an instruction for an assistant.\n\n{shown}\n\nRewrite it so that it becomes somewhat "
    "harder and still can be answered by a person. {operation} Add at most twenty words. Do not "
    "answer it. Write the new instruction and nothing else."
)
_ANOTHER = (
    "Here are instructions for an assistant in the domain {domain}.\n\n{shown}\n\nWrite one more "
    "of your own, unlike all of them, in the language {language}. Write the instruction and "
    "nothing else."
)
_ASK_BOTH = (
    "Here is a document.\n\n{shown}\n\nWrite one question about what it says, in the language "
    "{language}, that can be understood without the document, and answer it.\n\nAnswer in this "
    "form and write nothing else:\nQuestion: ...\nAnswer: ..."
)
_SAME = (
    "Here are two instructions for an assistant.\n\nFirst: {first}\n\nSecond: {second}\n\nDo they "
    "ask for the same, with the same constraints and in the same depth? Begin with Equal or "
    "Different."
)
_PARTED = re.compile(r"[*_#]*\s*\bAnswer\b[*_]*\s*:[*_]*", re.IGNORECASE)
_OF_THE_PROMPT = re.compile(
    r"\b(?:given|rewritten|new|original|created) (?:prompt|instruction)\b", re.IGNORECASE
)
_SORRY_WORDS = 80  # an answer that is sorry and shorter than this is none


class Drawn(NamedTuple):
    """What a question is made from: texts with their ids, and the operation on them."""

    ids: list[str]
    texts: list[str]
    operation: str = ""


def draw(pool: InstructionPool, way: str, rng: random.Random) -> Drawn:
    """What the next question is made from; the way template_qa takes a document instead."""
    if way == "evol_instruct":
        id_, text = pool.draw_one(rng)
        return Drawn([id_], [text], rng.choice(list(OPERATIONS)))
    shown = pool.draw(rng, seeds=SEEDS_SHOWN, made=MADE_SHOWN)
    return Drawn([id_ for id_, _ in shown], [text for _, text in shown])


class Reply(NamedTuple):
    """Question and, where it came with it, answer; `verdict` says why there is none."""

    question: str
    answer: str = ""
    verdict: Verdict = Verdict()


async def ask(
    workspace: Workspace, way: str, drawn: Drawn, *, chain: str, step: str, record_id: str
) -> Reply:
    """One call for a question."""
    try:
        reply = await workspace.caller.call(
            workspace.voices.experts,
            _asked(workspace, way, drawn),
            chain=chain,
            step=step,
            agent=way,
            record_id=record_id,
        )
    except PromptError as error:
        return Reply("", verdict=Verdict("no_question", error.message))
    text = encodable(str(reply.text)).strip()
    if reply.response_metadata.get("finish_reason") == "length":
        return Reply(text, verdict=Verdict("too_long", "the reply was cut"))
    if not workspace.voices.experts.follows_prompts:
        return Reply(text.partition(f" {SOLUTION_MARK}")[0])
    if way != "template_qa":
        return Reply(without_label(text))
    parts = _PARTED.split(text, maxsplit=1)
    if len(parts) < 2 or not parts[1].strip():
        return Reply(without_label(text), verdict=Verdict("unparsed", "no 'Answer:' in it"))
    return Reply(without_label(parts[0]).strip(), parts[1].strip())


async def eliminated(
    workspace: Workspace, drawn: Drawn, question: str, *, chain: str, step: str, record_id: str
) -> str:
    """Why an evolution has failed before it is answered; "" where it has not."""
    if _OF_THE_PROMPT.search(question) and not _OF_THE_PROMPT.search(drawn.texts[0]):
        return "it speaks of the prompt that it was asked for with"
    if not workspace.voices.experts.follows_prompts:  # nor judges
        return "it did not change" if words(question) == words(drawn.texts[0]) else ""
    try:
        reply = await workspace.caller.call(
            workspace.voices.experts,
            [HumanMessage(_SAME.format(first=drawn.texts[0], second=question))],
            chain=chain,
            step=step,
            agent="eliminator",
            record_id=record_id,
            settings={"temperature": 0.0},
        )
    except PromptError as error:
        return error.message
    judgement = str(reply.text).strip().lstrip("*#_ ").lower()
    return "it asks for the same as before" if judgement.startswith("equal") else ""


def answer_failed(answer: str) -> str:
    """Why an answer shows that its question cannot be answered; "" where it does not."""
    tokens = words(answer)
    if not any(len(word) > 1 or word.isdigit() for word in tokens):
        return "the answer has no word in it"
    if "sorry" in tokens and len(tokens) < _SORRY_WORDS:
        return "the answer is sorry"
    return ""


def _asked(workspace: Workspace, way: str, drawn: Drawn) -> list[BaseMessage]:
    if not workspace.voices.experts.follows_prompts:
        return _asked_by_roles(workspace, way, drawn)
    domain = workspace.config.domain
    about = {"domain": domain.name, "language": domain.language}
    if way == "evol_instruct":
        operation = OPERATIONS[drawn.operation]
        return [HumanMessage(_EVOLVE.format(shown=drawn.texts[0], operation=operation))]
    if way == "template_qa":
        return [HumanMessage(_ASK_BOTH.format(shown=drawn.texts[0], **about))]
    shown = "\n\n".join(f"{n}. {text}" for n, text in enumerate(drawn.texts, start=1))
    return [HumanMessage(_ANOTHER.format(shown=shown, **about))]


def _asked_by_roles(workspace: Workspace, way: str, drawn: Drawn) -> list[BaseMessage]:
    """For a model that follows no prompt, but knows these tasks by roles."""
    text, roles, variables = drawn.texts[0], workspace.roles, workspace.variables()
    if way == "template_qa":
        return question_about(text, roles, variables)
    if way == "evol_instruct" and drawn.operation != "breadth":
        return harder_than(text, roles, variables)
    return another_like(text, roles, variables)
