"""A consultation: a stateless expert sees its role, the instruction and what is attached.

In style `short` it is shown one message without a system message and without fences, and a list, a
label or a summary is asked for as JSON, which servers enforce (`response_format`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from metasynth.agents.conductor.tools import Consult
from metasynth.agents.roles.book import RoleBook
from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig

from .messages import Attachment, instruction_message

_MADE = {"instruct": "an instruction"}  # by the graph; others make documents
Style = Literal["full", "short"]
_LABELS: Mapping[str, str] = {
    "seed": "Text",
    "draft": "Text",
    "neighbours": "Earlier texts",
    "analysis": "Advice",
    "note": "Advice",
    "critique": "What is wrong",
    "topic": "Topic",
}
"""What stands before an attached text in style short; other kinds are called by their names."""
_LIST = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 8}
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "keywords": _LIST,
    "summary": {"type": "string"},
    "topic": {"type": "string"},
    "persona": {"type": "string"},
}
_FORM_TOKENS = 16  # of the JSON around what is asked for
_INVENTED = re.compile(r"[\w'’.&-]+(?: [\w'’.&-]+){0,4}")


def expert_messages(
    role: Role,
    instruction: str,
    attachments: Sequence[Attachment],
    variables: Mapping[str, object],
    *,
    style: Style = "full",
) -> list[BaseMessage]:
    """All that the expert is shown (rule of fresh eyes: nothing of the conversation)."""
    if style == "short":
        return [_short_message(role, instruction, attachments, variables)]
    system = role.system_prompt({**variables, "title": role.title})
    return [SystemMessage(system), instruction_message(instruction, list(attachments))]


def _short_message(
    role: Role,
    instruction: str,
    attachments: Sequence[Attachment],
    variables: Mapping[str, object],
) -> HumanMessage:
    parts = [f"{role.short_prompt(variables)} {instruction}", *map(_labelled, attachments)]
    return instruction_message(instruction, list(attachments), text="\n\n".join(parts))


def _labelled(attachment: Attachment) -> str:
    label = _LABELS.get(attachment.kind) or attachment.kind.capitalize()
    between = "\n" if "\n" in attachment.text else " "
    return f"{label}:{between}{attachment.text}"


def expert_settings(role: Role, config: RunConfig) -> dict[str, Any]:
    """What a role asks of the model; a temperature in the run file's `experts` goes before it."""
    own = config.experts.temperature
    settings: dict[str, Any] = {
        "temperature": role.temperature if own is None else own,
        "max_tokens": role.max_tokens,
    }
    if isinstance(role.output, dict):
        schema = {"name": role.name, "schema": role.output, "strict": True}
        settings["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif config.experts.style == "short" and (form := _FORMS.get(str(role.produces))):
        settings["response_format"] = _response_format(str(role.produces), form)
        if role.max_tokens is not None:
            settings["max_tokens"] = role.max_tokens + _FORM_TOKENS
    return settings


def _response_format(name: str, form: Mapping[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {name: form},
        "required": [name],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


def _known_by_title(name: str, roles: RoleBook) -> Role | None:
    """Models like to write `Domain Expert` for `domain_expert`; that is no invention."""
    plain = _plain(name)
    for known in roles.names():
        if plain in (_plain(known), _plain(roles[known].title)):
            return roles[known]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().lower()


def resolve_role(call: Consult, roles: RoleBook, *, graph: str) -> Role | str:
    """The role that a consultation names, one that it invents, or what is wrong with the name."""
    name = call.expert.strip()
    role = roles.get(name) or _known_by_title(name, roles)
    if role is not None:
        if graph in role.for_:
            return role
        return f"{role.name} is not offered here"
    if not _INVENTED.fullmatch(name):
        return f"{name!r} is no expert's name: use one to five words"
    return Role.model_validate(
        {
            "name": "invented",
            "title": name,
            "description": "Invented by the conductor.",
            "instructions": (
                f"You are consulted by someone who is making {_MADE.get(graph, 'a document')} in "
                "the domain {{ domain }}, in the language {{ language }}. Do what the instruction "
                "says, within {{ max_words }} words. Answer with the result alone."
            ),
            "produces": call.produces or "note",
        }
    )
