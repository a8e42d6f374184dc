"""The few questions that every model is asked; small ones, with the run's tools and limits."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from metasynth.agents.conductor.tools import instruct_schemas, tool_schemas
from metasynth.agents.expert import expert_messages, expert_settings
from metasynth.agents.messages import Attachment
from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig
from metasynth.graphs.document.consultation import expert_variables
from metasynth.graphs.document.order import conducts

LAST_WORD = "AMBER"
_TEXT = (
    "The ferry to the island leaves twice a day. In winter it stays in the harbour when the wind "
    "is strong, and the islanders buy bread and paper for three days ahead."
)
_ATTACHED = {
    "seed": "ferry, harbour, winter",
    "keywords": "ferry, harbour, winter",
    "question": "How often does the ferry leave?",
    "answer": "Twice a day.",
}
_BY_DESIGN = (
    "You direct experts, and act only by calling tools; several in one answer where none waits for "
    "another."
)

Messages = Sequence[BaseMessage]


def run_tools(config: RunConfig) -> list[dict[str, Any]]:
    """The tools that the run's conductor is offered."""
    return instruct_schemas() if conducts(config) == "instruct" else tool_schemas()


def two_calls() -> Messages:
    """What is answered by two calls at once."""
    return [
        SystemMessage(_BY_DESIGN),
        HumanMessage(
            "Call the tool consult twice in this answer: the expert domain_expert with the "
            "instruction “Name a river.”, and the expert topic_label with the instruction “Name "
            "the topic.”"
        ),
    ]


def no_call() -> Messages:
    """What needs no call, so that one comes only where it is enforced."""
    return [HumanMessage("Which city is the capital of France? Answer with its name alone.")]


def invention() -> Messages:
    """What is answered otherwise each time, unless seeds hold; the system message is obeyed or not.

    The answer's length is bounded by the question.
    """
    return [
        SystemMessage(f"End every answer with the word {LAST_WORD}."),
        HumanMessage("Invent a name for a ship and a year, and answer with these two alone."),
    ]


def nothing_of_json() -> Messages:
    """What is answered in JSON only where a schema is enforced."""
    return [HumanMessage("Say in one sentence what rain is.")]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "enum": ["K7", "Q2"]},
        "wet": {"type": "boolean"},
    },
    "required": ["code", "wet"],
    "additionalProperties": False,
}
RESPONSE_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "rain", "schema": SCHEMA, "strict": True},
}


def as_expert(role: Role, config: RunConfig) -> tuple[Messages, dict[str, Any]]:
    """An expert's question as the run asks it, and the settings that go with it."""
    kinds = [str(kind) for kind in role.receives] or ["draft"]
    kind = "draft" if "draft" in kinds else kinds[0]
    attached = [Attachment(f"{kind}-1", kind, _ATTACHED.get(kind, _TEXT))]
    messages = expert_messages(
        role,
        "Do what your role says with what is attached.",
        attached,
        expert_variables(config, role, persona="a teacher", genre="note"),
        style=config.experts.style,
    )
    return messages, expert_settings(role, config)
