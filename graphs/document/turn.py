"""One turn of a conductor, the same for documents and instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from metasynth.agents.conductor.history import bounded, estimated_tokens
from metasynth.errors import PromptError
from metasynth.graphs.run.calls import limit_of
from metasynth.graphs.run.state import DocumentState
from metasynth.graphs.workspace import Workspace

from .consultation import normalised


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
    out_of_turns: str,
) -> Turn | str:
    """Ask the conductor what to do next, or say which of its bounds is reached.

    Args:
        out_of_turns: What is said where `conductor.max_turns` is used up.
    """
    limits = workspace.config.conductor
    number = state["turns"] + 1
    if number > limits.max_turns:
        return out_of_turns
    messages = bounded([system, *state["messages"]], limits.max_prompt_tokens)
    if estimated_tokens(messages) > limits.max_prompt_tokens:
        return f"prompt: longer than {limits.max_prompt_tokens} tokens"
    conductor, health = workspace.voices.conductor, workspace.caller.health
    try:
        async with health.trial(conductor.name):
            reply = await workspace.caller.call(
                conductor,
                messages,
                chain=state["chain"],
                step=f"{state['number']}/{number}",
                agent="conductor",
                record_id=state["record_id"],
                tools=tools,
            )
            health.took_turn(conductor.name, reply, limit=limit_of(conductor, {}))
    except PromptError as error:
        return f"prompt: {error.message}"
    return Turn(number, normalised(reply, state["record_id"], number, limits.max_calls_per_turn))
