"""Jinja2 templates in the sandbox: the package's, those of role files and of run files."""

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from metasynth.errors import ConfigError

SANDBOX = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@functools.lru_cache(maxsize=256)  # every call of a run fills one, and compiling takes far longer
def compiled(source: str) -> Any:
    """A template, ready to be filled in the sandbox.

    Raises:
        TemplateError: It does not parse.
    """
    return SANDBOX.from_string(source)


def render_template(source: str, variables: Mapping[str, object]) -> str:
    """A template of the user's, filled in the sandbox; the variables are data, never templates.

    Raises:
        ConfigError: The template does not parse or names something unknown.
    """
    try:
        return str(compiled(source).render(variables))
    except Exception as error:  # a template may divide by zero
        known = ", ".join(sorted(variables))
        first = str(error).partition("\n")[0]
        raise ConfigError(f"template.prompt: {first}; known variables are {known}") from None


def template_variables(source: str) -> set[str]:
    """The variables that a template of the user's mentions; one that does not parse has none."""
    try:
        return meta.find_undeclared_variables(SANDBOX.parse(source))
    except TemplateError:
        return set()
