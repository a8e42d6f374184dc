"""A consultation: a stateless expert sees its role, the instruction and what is attached."""

import re
from collections.abc import Mapping, Sequence

from langchain_core.messages import BaseMessage, SystemMessage

from metasynth.agents.conductor.tools import Consult
from metasynth.agents.roles.book import RoleBook
from metasynth.agents.roles.role import Role

from .messages import Attachment, instruction_message

_MADE = {"instruct": "an instruction"}  # by the graph; others make documents
_INVENTED = re.compile(r"[\w'’.&-]+(?: [\w'’.&-]+){0,4}")


def expert_messages(
    role: Role,
    instruction: str,
    attachments: Sequence[Attachment],
    variables: Mapping[str, object],
) -> list[BaseMessage]:
    """All that the expert is shown (rule of fresh eyes: nothing of the conversation)."""
    system = role.system_prompt({**variables, "title": role.title})
    return [SystemMessage(system), instruction_message(instruction, list(attachments))]


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
