"""The package's templates of prompts and briefs, which lie beside this file."""

import functools
import importlib.resources
from typing import Any

from metasynth.sandbox import compiled


def prompt_template(name: str) -> Any:
    """A template of the package, ready to be filled."""
    return compiled(prompt_source(name))


@functools.cache
def prompt_source(name: str) -> str:
    """The text of a template of the package."""
    folder = importlib.resources.files("metasynth.agents.conductor")
    return folder.joinpath(name).read_text(encoding="utf-8")
