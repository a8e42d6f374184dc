"""Those who answer: the answer expert, the critic whose word is advice, and who asks on."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage

from metasynth.agents.expert import expert_messages, expert_settings
from metasynth.agents.messages import Attachment, one_line
from metasynth.errors import PromptError
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.admission.instruction_checks import (
    answer_share,
    leaked_answer,
    unseen_mention,
    without_label,
)
from metasynth.graphs.questions.answering import Answer, answer_of, ask_for_answer
from metasynth.graphs.workspace import Workspace
from metasynth.text.rouge import rouge_l
from metasynth.text.words import count_words, encodable

from .state import InstructState, Turn

ANSWER, CRITIC, FOLLOW_UP = "answer_expert", "answer_critic", "follow_up"
_ANSWER = "Answer the question."
_REVISE = "Write a better answer."
_CHECK = "Check the answer."
_ASK_ON = "Ask the next question."


class FollowUp(NamedTuple):
    """The next question of a conversation, "" where none could be had, and how often was asked."""

    question: str
    asked: int


async def write_answer(workspace: Workspace, state: InstructState) -> Answer:
    """An answer to the question in work, better than the last one where there is one.

    The embedded model is asked as its solution expert, which needs the question alone.

    Raises:
        BudgetEndedError: A limit of the budget is reached.
        ModelCallError: The model could not answer.
    """
    step = _step(state, "answer")
    if not _reads_documents(workspace):
        return await ask_for_answer(
            workspace,
            state["question"],
            chain=state["chain"],
            step=step,
            record_id=state["record_id"],
        )
    attached = [*_grounds(state), Attachment("question-1", "question", state["question"])]
    if state.get("critique"):
        if state.get("answer"):
            attached.append(Attachment("answer-1", "answer", state["answer"]))
        attached.append(Attachment("critique-1", "critique", state["critique"]))
    asked = _REVISE if state.get("critique") else _ANSWER
    call = _consult(workspace, state, ANSWER, asked, attached, step=step)
    return await answer_of(call, ANSWER, clean=without_label)


async def complaint(workspace: Workspace, state: InstructState) -> str:
    """What the critic would have better in the answer; "" where it says nothing of the kind."""
    grounds = _grounds(state) if _reads_documents(workspace) else []
    attached = [
        *grounds,
        Attachment("question-1", "question", state["question"]),
        Attachment("answer-1", "answer", state["answer"]),
    ]
    try:
        reply = await _consult(
            workspace, state, CRITIC, _CHECK, attached, step=_step(state, "critic")
        )
    except PromptError:
        return ""  # advice that cannot be had
    said = encodable(str(reply.text)).strip().lstrip("*#_ ")
    if not said.lower().startswith("revise"):
        return ""
    return one_line(said[len("revise") :].lstrip("*_:.,; -\n"), most_words=90) or "no reason given"


async def follow_up(workspace: Workspace, state: InstructState) -> FollowUp:
    """What the user asks next; each try that cannot be used is followed by another."""
    most = workspace.config.instruct.answer_tries
    for number in range(1, most + 1):
        step = f"{_step(state, 'follow_up')}.{number}"
        try:
            reply = await _consult(workspace, state, FOLLOW_UP, _ASK_ON, _grounds(state), step=step)
        except PromptError:
            return FollowUp("", number)
        text = without_label(encodable(str(reply.text)).strip())
        cut = reply.response_metadata.get("finish_reason") == "length"
        if text and not cut:
            verdict = await asyncio.to_thread(question_problem, workspace, state, text)
            if verdict.passed:
                return FollowUp(text, number)
    return FollowUp("", most)


def question_problem(workspace: Workspace, state: InstructState, question: str) -> Verdict:
    """What is wrong with a question before anything is answered; blocks."""
    limits, count = workspace.config.instruct, count_words(question)
    if count > limits.max_question_words:
        detail = f"{count} words, at most {limits.max_question_words} are asked"
        return Verdict("too_long", detail)
    if count < limits.min_question_words:
        detail = f"{count} words, at least {limits.min_question_words} are asked"
        return Verdict("too_short", detail)
    verdict = workspace.gate.turn(question)
    if not verdict.passed:
        return verdict
    document = state["seed"]["text"]
    if fault := unseen_mention(question, document):
        return Verdict("mentions_document", f"{fault!r}: its reader does not see it")
    if fault := leaked_answer(question, document):
        return Verdict("answer_leaked", f"the question gives its answer away: {fault!r}")
    if _asked_before(question, state.get("conversation", []), most=limits.max_likeness):
        return Verdict("too_close", "the conversation has this question already")
    return Verdict()


def answer_problem(workspace: Workspace, state: InstructState) -> Verdict:
    """What is wrong with the answer in work, as far as code and checker can tell; blocks."""
    question, answer = state["question"], state["answer"]
    verdict = workspace.gate.turn(answer, cut=state.get("cut", False))
    if not verdict.passed:
        return verdict
    if fault := unseen_mention(answer, state["seed"]["text"], question=question):
        return Verdict("mentions_document", f"the answer speaks of {fault!r}, which no one sees")
    share = answer_share(question, answer)
    if fault := leaked_answer(question, answer):
        return Verdict("answer_leaked", f"the question gives its answer away: {fault!r}")
    if share > workspace.config.instruct.max_leak:
        return Verdict("answer_leaked", f"{share:.0%} of the answer stands in the question")
    if state.get("conversation"):
        return Verdict()  # a follow-up cannot be checked by itself
    return workspace.gate.checked(f"{question}\n\n{answer}")


def _asked_before(question: str, turns: Sequence[Turn], *, most: float) -> bool:
    return any(rouge_l(question, turn["question"]) >= most for turn in turns)


def _step(state: InstructState, what: str) -> str:
    """The place of a call: the question's, the turn's and the try's."""
    turn = len(state.get("conversation", [])) + 1
    return f"{state['number']}/{what}/{state['tries']}.{turn}.{state.get('answers', 0)}"


def _reads_documents(workspace: Workspace) -> bool:
    """The embedded model works on questions that stand on their own, and has little context."""
    return workspace.voices.experts.follows_prompts


def _grounds(state: InstructState) -> list[Attachment]:
    """The document and the conversation so far, where there are any."""
    text = state["seed"]["text"]
    attached = [Attachment("document-1", "document", text)] if text else []
    if turns := state.get("conversation"):
        told = "\n\n".join(f"User: {t['question']}\n\nAssistant: {t['answer']}" for t in turns)
        attached.append(Attachment("conversation-1", "conversation", told))
    return attached


async def _consult(
    workspace: Workspace,
    state: InstructState,
    name: str,
    instruction: str,
    attached: Sequence[Attachment],
    *,
    step: str,
) -> AIMessage:
    role = workspace.roles[name]
    variables: dict[str, Any] = workspace.variables(persona=state.get("persona", ""))
    if role.produces == "question":
        variables["max_words"] = workspace.config.instruct.max_question_words
    return await workspace.caller.call(
        workspace.voices.for_role(role),
        expert_messages(
            role, instruction, attached, variables, style=workspace.config.experts.style
        ),
        chain=state["chain"],
        step=step,
        agent=name,
        record_id=state["record_id"],
        settings=expert_settings(role, workspace.config),
    )
