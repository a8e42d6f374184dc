"""From LangChain messages to the tokens of a prompt, through the model's own chat template.

Two things are taken care of here. Templates differ in what they accept: where one refuses or drops
system messages, tools, tool results or two messages in a row from the same side, the same is said
in another way. And no text becomes a special token: where the literal of one stands in a message,
the prompt is encoded in pieces that part it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from metasynth.agents.models.conversation import Message, alternating, before_user, in_words
from metasynth.errors import RequestError
from metasynth.lm.text import TextEncoder

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


@dataclass(frozen=True)
class TemplateAbilities:
    """What a chat template takes as it is.

    Attributes:
        system: System messages.
        tools: A list of tools.
        tool_results: Assistant messages with calls, and tool messages.
        repeats: Two messages in a row from the same side.
        attachments: The extra keys `instruction` and `attachments` of our own messages; such a
            template belongs to a model that knows our tools and roles by heart.
    """

    system: bool = True
    tools: bool = False
    tool_results: bool = False
    repeats: bool = True
    attachments: bool = False


class PromptRenderer:
    """Renders prompts for one model."""

    def __init__(self, lm: "LoadedLM") -> None:
        self._tokenizer: Any = lm.tokenizer
        self._name = lm.name
        self._text = TextEncoder(self._tokenizer)
        self.abilities = self._probe()

    def prompt_ids(
        self,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        output_schema: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """The tokens of the prompt that asks for the next assistant message.

        Args:
            messages: The conversation.
            tools: Tools in OpenAI's format.
            output_schema: What the answer's JSON has to fit, for models that need to be told.

        Raises:
            RequestError: A message holds something other than text, or the template refuses.
        """
        dicts = [_as_dict(message) for message in messages]
        told = [] if self.abilities.attachments else list(_described(output_schema))
        if tools and not (self.abilities.tools or self.abilities.attachments):
            told.append(_described_tools(tools))
        dicts = _adapted(dicts, self.abilities, "\n\n".join(told))
        mark = self._text.unused_mark(json.dumps([dicts, list(tools)], ensure_ascii=False))
        guarded = _map_strings(dicts, lambda text: self._text.marked(text, mark))
        offered = _map_strings(list(tools), lambda text: self._text.marked(text, mark))
        try:
            text = self._render(guarded, offered if self.abilities.tools else None)
        except Exception as error:
            raise RequestError(
                f"the chat template of {self._name} refuses these messages: {error}",
                code="bad_messages",
            ) from error
        return self._text.encode_marked(text, mark)

    def _render(self, messages: list[Message], tools: list[Any] | None) -> str:
        if not self._tokenizer.chat_template:
            lines = [f"{message['role']}: {message['content']}" for message in messages]
            return "\n".join([*lines, "assistant:"])
        rendered = self._tokenizer.apply_chat_template(
            messages, tools=tools or None, add_generation_prompt=True, tokenize=False
        )
        return str(rendered)

    def _probe(self) -> TemplateAbilities:
        """Try out what the template does with each kind of message."""
        template = self._tokenizer.chat_template
        if not template:
            return TemplateAbilities()
        user = {"role": "user", "content": "mark-user"}
        call = {"type": "function", "function": {"name": "mark_call", "arguments": {"a": "b"}}}
        called = {"role": "assistant", "content": "", "tool_calls": [call]}
        result = {"role": "tool", "content": "mark-result", "name": "mark_call"}
        tool = {"name": "mark_tool", "description": "d", "parameters": {"type": "object"}}
        offered = [{"type": "function", "function": tool}]

        def shows(messages: list[Message], *marks: str, tools: list[Any] | None = None) -> bool:
            try:
                text = self._render(messages, tools)
            except Exception:  # a template raises what it likes
                return False
            return all(mark in text for mark in marks)

        return TemplateAbilities(
            system=shows([{"role": "system", "content": "mark-system"}, user], "mark-system"),
            tools=shows([user], "mark_tool", tools=offered),
            tool_results=shows([user, called, result], "mark_call", "mark-result"),
            repeats=shows([user, {"role": "user", "content": "mark-2"}], "mark-user", "mark-2"),
            attachments="attachments" in str(template),
        )


def _as_dict(message: BaseMessage) -> Message:
    """A message in the form that chat templates read."""
    role = _ROLES.get(message.type) or str(getattr(message, "role", message.type))
    found: Message = {"role": role, "content": _text_of(message)}
    for key in ("instruction", "attachments"):
        if key in message.additional_kwargs:
            found[key] = message.additional_kwargs[key]
    if isinstance(message, AIMessage) and message.tool_calls:
        found["tool_calls"] = [
            {
                "type": "function",
                "id": call["id"],
                "function": {"name": call["name"], "arguments": call["args"]},
            }
            for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        found["tool_call_id"] = message.tool_call_id
    if message.name:
        found["name"] = message.name
    return found


def _text_of(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") == "text":
            parts.append(str(block["text"]))
        elif block.get("type") not in ("tool_use", "tool_call", "reasoning", "thinking"):
            kind = block.get("type")
            raise RequestError(
                f"a local model reads text; a {message.type} message holds {kind!r}",
                code="not_text",
            )
    return "\n".join(parts)


def _described(output_schema: Mapping[str, Any] | None) -> Iterator[str]:
    if output_schema is not None:
        yield "Answer with JSON that fits this schema:\n" + _dump(output_schema)


def _described_tools(tools: Sequence[Mapping[str, Any]]) -> str:
    listed = "\n".join(_dump(tool["function"]) for tool in tools)
    return (
        "You can call tools. A call is one line of this form:\n"
        '<tool_call>{"name": "NAME", "arguments": {...}}</tool_call>\n'
        f"The tools:\n{listed}"
    )


def _adapted(messages: list[Message], abilities: TemplateAbilities, told: str) -> list[Message]:
    """The same conversation in the roles and the order that the template takes."""
    adapted = [{"role": "system", "content": told}] if told else []
    for message in messages:
        if not abilities.tool_results:
            message = in_words(message)
        adapted.append(message)
    systems = [message["content"] for message in adapted if message["role"] == "system"]
    if systems and (told or not abilities.system or len(systems) > 1):
        adapted = [message for message in adapted if message["role"] != "system"]
        text = "\n\n".join([*systems[1:], told] if told else systems)
        adapted = _with_system(adapted, text, abilities)
    return adapted if abilities.repeats else alternating(adapted)


def _with_system(messages: list[Message], text: str, abilities: TemplateAbilities) -> list[Message]:
    if abilities.system:
        return [{"role": "system", "content": text}, *messages]
    return before_user(messages, text)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every string in it changed, roles and keys excepted."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {
            key: one if key == "role" else _map_strings(one, change) for key, one in value.items()
        }
    if isinstance(value, Sequence):
        return [_map_strings(one, change) for one in value]
    return value
