"""A chat model that answers every message list of ours by the oracle's functions.

It runs the real graph without a trained model, so that the conductor's conversations can be
recorded and trained on.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field

from .chat import Attachment, Message, Role, ToolCall
from .conductor import conductor_policy
from .instruct_conductor import INSTRUCT_TITLE, instruct_policy
from .instruct_oracle import INSTRUCT_ROLES, instruct_oracle
from .oracle import ROLES, expert_oracle, title

_ROLE_OF = {title(role): role for role in (*ROLES, *INSTRUCT_ROLES)}
Policy = Callable[[Sequence[Message], random.Random], list[ToolCall]]
_SPEAKER: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def from_langchain(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages as the chat template sees them."""
    return [_message(message) for message in messages]


def _message(message: BaseMessage) -> Message:
    extra = message.additional_kwargs
    content = str(extra.get("instruction") or message.text)
    attachments = tuple(
        Attachment(str(one["kind"]), str(one["text"]), str(one.get("ref", "")))
        for one in extra.get("attachments", ())
    )
    calls: tuple[ToolCall, ...] = ()
    if isinstance(message, AIMessage):
        calls = tuple(ToolCall(call["name"], call["args"]) for call in message.tool_calls)
    return Message(_SPEAKER[message.type], content, attachments, calls)


class OracleChatModel(BaseChatModel):
    """Conductor and experts by the oracle; what it answers depends on `seed` and its call count."""

    seed: int = 0
    with_tools: bool = False
    traces: list[list[Message]] = Field(default_factory=list)
    """The conductor's conversations, each turn with all that came before it."""

    @property
    def _llm_type(self) -> str:
        return "oracle"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],  # noqa: ARG002
        *,
        tool_choice: str | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Runnable[Any, AIMessage]:
        """The conductor: it knows the tools by heart."""
        bound = OracleChatModel(seed=self.seed, with_tools=True)
        bound.traces = self.traces
        return bound

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        seen = from_langchain(messages)
        rng = random.Random(f"{self.seed}:{kwargs.get('seed')}:{len(seen)}:{seen}")
        if self.with_tools:
            conducts = _policy_of(seen)
            calls = conducts(seen, rng)
            self.traces.append([*seen, Message("assistant", tool_calls=tuple(calls))])
            answer = AIMessage(
                "",
                tool_calls=[
                    {"name": call.name, "args": dict(call.arguments), "id": f"call-{index}"}
                    for index, call in enumerate(calls)
                ],
            )
        else:
            role = _ROLE_OF.get(seen[0].content.split("\n", 1)[0], "note")
            asked = seen[-1]
            says = instruct_oracle if role in INSTRUCT_ROLES else expert_oracle
            answer = AIMessage(says(role, asked.content, asked.attachments, rng))
        words = len(answer.text.split())
        answer.usage_metadata = {
            "input_tokens": 1,
            "output_tokens": words,
            "total_tokens": words + 1,
        }
        return ChatResult(generations=[ChatGeneration(message=answer)])


def _policy_of(messages: Sequence[Message]) -> Policy:
    first = messages[0].content.split("\n", 1)[0]
    return instruct_policy if first == INSTRUCT_TITLE else conductor_policy


def whole_conversations(traces: Sequence[Sequence[Message]]) -> list[list[Message]]:
    """Of each conversation the longest trace: the one that is no beginning of another."""
    kept = []
    for trace in traces:
        size = len(trace)
        if not any(len(other) > size and list(other[:size]) == list(trace) for other in traces):
            kept.append([_short(message) for message in trace])
    return kept


def _short(message: Message) -> Message:
    """Only what the chat template shows: first lines of system and tool messages."""
    if message.role in ("system", "tool"):
        return Message(message.role, message.content.split("\n", 1)[0])
    return message
