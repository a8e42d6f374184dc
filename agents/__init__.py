"""Agents: roles written in YAML, the conductor's prompt and tools, expert calls, chat models."""

from .conductor import (
    NUDGE,
    TOOLS,
    Consult,
    Digest,
    bounded,
    brief,
    conductor_prompt,
    estimated_tokens,
    prompt_version,
    render_template,
    tool_schemas,
)
from .expert import expert_messages, resolve_role
from .messages import Attachment, fenced, instruct, one_line, parse_keywords
from .models import chat_model
from .roles import (
    Role,
    RoleBook,
    load_role,
    load_roles,
    packaged_role_text,
    parse_role,
    role_files,
)

__all__ = [
    "NUDGE",
    "TOOLS",
    "Attachment",
    "Consult",
    "Digest",
    "Role",
    "RoleBook",
    "bounded",
    "brief",
    "chat_model",
    "conductor_prompt",
    "estimated_tokens",
    "expert_messages",
    "fenced",
    "instruct",
    "load_role",
    "load_roles",
    "one_line",
    "packaged_role_text",
    "parse_keywords",
    "parse_role",
    "prompt_version",
    "render_template",
    "resolve_role",
    "role_files",
    "tool_schemas",
]
