"""The package's templates of prompts and briefs, which lie beside this file."""

import importlib.resources
from typing import Any

from metasynth.agents.templates import SANDBOX


def prompt_template(name: str) -> Any:
    """A template of the package, ready to be filled."""
    return SANDBOX.from_string(prompt_source(name))


def prompt_source(name: str) -> str:
    """The text of a template of the package."""
    folder = importlib.resources.files("metasynth.agents.conductor")
    return folder.joinpath(name).read_text(encoding="utf-8")
