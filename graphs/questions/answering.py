"""Asking the teacher for the answer to a question that was generated without one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from metasynth.agents.expert import expert_settings
from metasynth.agents.models.embedded.prompts import SOLVER, solution_of
from metasynth.errors import PromptError
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.admission.gate import declines
from metasynth.graphs.workspace import Workspace
from metasynth.text.words import encodable, excerpt

_TEACHER = "answer"  # the ledger's name for a teacher that plays no role


class Answer(NamedTuple):
    """What the teacher said; `verdict` says why it is none, where it is not."""

    text: str
    agent: str
    cut: bool = False
    verdict: Verdict = Verdict()


async def ask_for_answer(
    workspace: Workspace, prompt: str, *, chain: str, step: str, record_id: str
) -> Answer:
    """The teacher's answer to `prompt`, from the ledger where it was given before.

    The embedded model knows a task by its role, so it is asked as the solution expert; any other
    model is sent the prompt alone.

    Raises:
        BudgetEndedError: A limit of the budget is reached.
        ModelCallError: The model could not answer.
    """
    agent, messages, settings = _asked(workspace, prompt)
    call = workspace.caller.call(
        workspace.voices.experts,
        messages,
        chain=chain,
        step=step,
        agent=agent,
        record_id=record_id,
        settings=settings,
    )
    return await answer_of(call, agent)


async def answer_of(
    call: Awaitable[AIMessage], agent: str, *, clean: Callable[[str], str] = str.strip
) -> Answer:
    """What came of a call; one that gives no answer for this prompt is a verdict and no error.

    Args:
        clean: Takes from the text what does not belong to the answer.

    Raises:
        BudgetEndedError: A limit of the budget is reached.
        ModelCallError: The model could not answer.
    """
    try:
        reply = await call
    except PromptError as error:
        return Answer("", agent, verdict=Verdict("no_answer", error.message))
    text = clean(encodable(str(reply.text)).strip())
    cut = reply.response_metadata.get("finish_reason") == "length"
    if not text:
        refusal = str(reply.additional_kwargs.get("refusal") or "the answer is empty")
        return Answer("", agent, cut, Verdict("no_answer", excerpt(refusal, 30)))
    if declines(text):
        detail = f"the answer declines: {excerpt(text, 30)}"
        return Answer(text, agent, cut, Verdict("refusal", detail))
    return Answer(text, agent, cut)


def _asked(
    workspace: Workspace, prompt: str
) -> tuple[str, Sequence[BaseMessage], dict[str, Any] | None]:
    if workspace.voices.experts.follows_prompts:
        return _TEACHER, [HumanMessage(prompt)], None
    messages = solution_of(prompt, workspace.roles, workspace.variables())
    # the role's limit is meant for large models: here the context is the limit
    own = expert_settings(workspace.roles[SOLVER], workspace.config)
    return SOLVER, messages, {**own, "max_tokens": None}
