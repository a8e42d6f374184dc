"""One turn of a conductor, the same for documents and instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall

from metasynth.agents.conductor.history import bounded, estimated_tokens
from metasynth.agents.conductor.schema_calls import call_format, plain_messages, read_call
from metasynth.errors import PromptError
from metasynth.graphs.run.calls import limit_of
from metasynth.graphs.run.state import DocumentState
from metasynth.graphs.workspace import Workspace

from .artifacts import unasked
from .consultation import normalised
from .fixed import fixed_turn, required_consultation
from .order import SUBMITTED


@dataclass(frozen=True)
class Turn:
    """What the conductor said.

    Attributes:
        number: Of the turn, from 1 up.
        reply: Its message, with calls that have ids of ours.
    """

    number: int
    reply: AIMessage

    def nudged(self, record_id: str, nudge: str) -> dict[str, Any]:
        """The update that reminds it to call something."""
        message = HumanMessage(nudge, id=f"{record_id}/{self.number}/nudge")
        return {"messages": [self.reply, message], "turns": self.number}


async def take_turn(
    workspace: Workspace,
    state: DocumentState,
    system: SystemMessage,
    *,
    tools: Sequence[Mapping[str, Any]],
    graph: str,
    out_of_turns: str,
) -> Turn | str:
    """Ask the conductor what to do next, or say which of its bounds is reached.

    Args:
        graph: Whose conductor it is.
        out_of_turns: What is said where `conductor.max_turns` is used up.
    """
    limits = workspace.config.conductor
    number = state["turns"] + 1
    if number > limits.max_turns:
        return out_of_turns
    if limits.policy == "fixed":
        reply: AIMessage | str = fixed_turn(workspace, state, graph=graph)
    else:
        reply = await _asked(workspace, state, system, number, tools)
    if isinstance(reply, str):
        return reply
    calls = reply.tool_calls[: limits.max_calls_per_turn]
    required = _required_calls(workspace, state, calls, graph)
    if limits.policy == "fixed":
        most = len(reply.tool_calls)
    else:
        most = limits.max_calls_per_turn + len(required)
    reply = reply.model_copy(update={"tool_calls": [*required, *reply.tool_calls]})
    return Turn(number, normalised(reply, state["record_id"], number, most))


async def _asked(
    workspace: Workspace,
    state: DocumentState,
    system: SystemMessage,
    number: int,
    tools: Sequence[Mapping[str, Any]],
) -> AIMessage | str:
    """What the conductor's model says, or why it cannot be asked."""
    most = workspace.config.conductor.max_prompt_tokens
    messages = bounded([system, *state["messages"]], most)
    if estimated_tokens(messages) > most:
        return f"prompt: longer than {most} tokens"
    conductor, health, form = (
        workspace.voices.conductor,
        workspace.caller.health,
        workspace.tool_form,
    )
    try:
        async with health.trial(conductor.name):
            if not form.by_schema:
                reply = await _said(workspace, state, messages, number, tools)
                if reply.tool_calls or reply.invalid_tool_calls:
                    health.took_turn(conductor.name, reply)
                    return reply
                if health.calls_tools(conductor.name) or not form.fall_back(conductor.name):
                    health.took_turn(conductor.name, reply, limit=limit_of(conductor, {}))
                    return reply
        name = f"{conductor.name} (by schema)"
        async with health.trial(name):
            reply = await _said(workspace, state, messages, number, tools, by_schema=True)
            if not (reply.tool_calls or reply.invalid_tool_calls or health.calls_tools(name)):
                form.go_back()
            health.took_turn(name, reply, limit=limit_of(conductor, {}))
            return reply
    except PromptError as error:
        return f"prompt: {error.message}"


async def _said(
    workspace: Workspace,
    state: DocumentState,
    messages: Sequence[BaseMessage],
    number: int,
    tools: Sequence[Mapping[str, Any]],
    *,
    by_schema: bool = False,
) -> AIMessage:
    """The model's answer to one way of offering it tools."""
    reply = await workspace.caller.call(
        workspace.voices.conductor,
        plain_messages(messages, tools) if by_schema else messages,
        chain=state["chain"],
        step=f"{state['number']}/{number}",
        agent="conductor",
        record_id=state["record_id"],
        settings={"response_format": call_format(tools)} if by_schema else None,
        tools=None if by_schema else tools,
    )
    return read_call(reply, tools) if by_schema else reply


def _required_calls(
    workspace: Workspace, state: DocumentState, calls: Sequence[ToolCall], graph: str
) -> list[ToolCall]:
    """Consultations of the required experts that a submission passes over.

    They are made in the conductor's name, and its submission is answered with what they say.
    """
    submitted, artifacts = SUBMITTED[graph], state["artifacts"]
    required = workspace.config.conductor.require
    refs = [str(call["args"].get(submitted, "")) for call in calls if call["name"] == "submit"]
    return [
        required_consultation(workspace.roles[name], ref)
        for ref in refs[:1]
        if ref in artifacts and artifacts[ref]["kind"] == submitted
        for name in unasked(artifacts, ref, required)
    ]
