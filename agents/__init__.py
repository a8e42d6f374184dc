"""Agents: roles written in YAML, the conductor's prompt and tools, expert calls, chat models."""

from typing import TYPE_CHECKING

from .conductor import (
    NUDGE,
    TOOLS,
    Consult,
    Digest,
    SampleSoftSRV,
    SamplingOffer,
    bounded,
    brief,
    conductor_prompt,
    estimated_tokens,
    offered_tools,
    prompt_version,
    render_template,
    template_variables,
    tool_schemas,
)
from .expert import expert_messages, resolve_role
from .instructing import (
    INSTRUCT_NUDGE,
    INSTRUCT_TOOLS,
    InstructConsult,
    instruct_brief,
    instruct_prompt,
    instruct_prompt_version,
    instruct_schemas,
)
from .messages import Attachment, fenced, instruct, one_line, parse_keywords
from .models import chat_model
from .role import Role
from .role_checking import Checked, Finding, check_roles
from .role_reading import load_role, parse_role
from .role_schema import role_schema
from .roles import (
    RoleBook,
    library_domains,
    library_roles,
    load_roles,
    packaged_role_text,
    packaged_roles,
    role_files,
)

if TYPE_CHECKING:
    from .models.local import LocalChat, embedded_chat, local_chat
    from .models.openai import OpenAIChat, openai_chat
    from .models.pacer import HeldTooLongError, Pacer, pacer_for
    from .models.runtime import close_local_models
else:
    _SLOW = {
        "HeldTooLongError": "pacer",
        "LocalChat": "local",
        "OpenAIChat": "openai",
        "Pacer": "pacer",
        "close_local_models": "runtime",
        "embedded_chat": "local",
        "local_chat": "local",
        "openai_chat": "openai",
        "pacer_for": "pacer",
    }

    def __getattr__(name):
        if name in _SLOW:
            from importlib import import_module

            return getattr(import_module(f".models.{_SLOW[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "INSTRUCT_NUDGE",
    "INSTRUCT_TOOLS",
    "NUDGE",
    "TOOLS",
    "Attachment",
    "Checked",
    "Consult",
    "Digest",
    "Finding",
    "HeldTooLongError",
    "InstructConsult",
    "LocalChat",
    "OpenAIChat",
    "Pacer",
    "Role",
    "RoleBook",
    "SampleSoftSRV",
    "SamplingOffer",
    "bounded",
    "brief",
    "chat_model",
    "check_roles",
    "close_local_models",
    "conductor_prompt",
    "embedded_chat",
    "estimated_tokens",
    "expert_messages",
    "fenced",
    "instruct",
    "instruct_brief",
    "instruct_prompt",
    "instruct_prompt_version",
    "instruct_schemas",
    "library_domains",
    "library_roles",
    "load_role",
    "load_roles",
    "local_chat",
    "offered_tools",
    "one_line",
    "openai_chat",
    "pacer_for",
    "packaged_role_text",
    "packaged_roles",
    "parse_keywords",
    "parse_role",
    "prompt_version",
    "render_template",
    "resolve_role",
    "role_files",
    "role_schema",
    "template_variables",
    "tool_schemas",
]
