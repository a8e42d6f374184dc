"""The JSON schema of files that a person writes, as text."""

import json
from typing import Literal


def schema_text(of: Literal["run", "role"]) -> str:
    """A schema as it is written to a file."""
    from metasynth.agents.roles.schema import role_schema
    from metasynth.compose.parts import builtin_parts
    from metasynth.config.schema import run_schema

    content = run_schema(builtin_parts()) if of == "run" else role_schema()
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
