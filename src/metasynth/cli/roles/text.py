"""A role as the text of a role file."""

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from metasynth.agents.roles.role import Role


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are read."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)


def role_text(role: "Role") -> str:
    """YAML that is read as the same role; what equals a default is left out."""
    data: dict[str, Any] = role.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
