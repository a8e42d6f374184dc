"""Prompt templates of the baselines: one YAML file a task, packaged or a user's own.

They follow the paper's appendix in spirit: one example of the target, ten different questions a
call without answers, a cue at the end (SoftSRV, section 4 and appendix; wording ours).
"""

import difflib
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from jinja2 import TemplateError, meta
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metasynth.errors import ConfigError
from metasynth.sandbox import fill, parsed
from metasynth.yaml_text import parse_yaml, read_regular

PromptName = Literal["diverse", "single", "critique", "refine", "answer"]
PROMPT_NAMES: tuple[PromptName, ...] = get_args(PromptName)

# What each prompt may mention, and what it cannot do without.
_VARIABLES: Mapping[PromptName, tuple[str, ...]] = {
    "diverse": ("exemplar", "count"),
    "single": ("exemplar",),
    "critique": ("question",),
    "refine": ("question", "critique"),
    "answer": ("question",),
}
_EXAMPLES: Mapping[str, object] = {
    "exemplar": "How many?",
    "count": 10,
    "question": "How many?",
    "critique": "Fine.",
}


class TaskTemplates(BaseModel):
    """The prompts of one task; a user's file may leave out those that its method does not need.

    `cut_before`: what follows one of these texts in a generated question was not asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$")
    description: str = ""
    diverse: str | None = Field(default=None, min_length=1)
    single: str | None = Field(default=None, min_length=1)
    critique: str | None = Field(default=None, min_length=1)
    refine: str | None = Field(default=None, min_length=1)
    answer: str | None = Field(default=None, min_length=1)
    cut_before: tuple[str, ...] = ()

    def render(self, prompt: PromptName, **variables: object) -> str:
        """A prompt filled in; the variables are data, never templates.

        Raises:
            ConfigError: The file has no such prompt, or it cannot be filled in.
        """
        source = getattr(self, prompt)
        if source is None:
            raise ConfigError(
                f"templates {self.name!r}: key {prompt!r} is needed", code="missing_key"
            )
        return _rendered(source, variables, where=f"templates {self.name!r}: {prompt}")


def packaged_tasks() -> list[str]:
    """The names of the tasks that the package has templates for."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir())


def load_templates(task: str) -> TaskTemplates:
    """The templates of a packaged task, or those in a YAML file.

    Raises:
        ConfigError: There is no such task or file, or the file is wrong; names file and key.
    """
    if task in packaged_tasks():
        text = _folder().joinpath(f"{task}.yaml").read_text(encoding="utf-8")
        return parse_templates(text, where=f"metasynth/softsrv/templates/{task}.yaml")
    path = Path(task)
    if path.suffix not in (".yaml", ".yml"):
        known = ", ".join(packaged_tasks())
        raise ConfigError(
            f"no task {task!r}; there are {known}, or name a YAML file", code="unknown_task"
        )
    text = read_regular(path)
    return parse_templates(text, where=str(path))


def parse_templates(text: str, *, where: str) -> TaskTemplates:
    """The templates written in `text`; `where` names its file in messages."""
    data = parse_yaml(text, where=where)
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where}: expected a mapping of prompts, got {type(data).__name__}",
            code="not_a_mapping",
        )
    try:
        templates = TaskTemplates.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(each), text) for each in error.errors())
        raise ConfigError(f"{where}: {problems}", code="invalid_value") from None
    for name in PROMPT_NAMES:
        source = getattr(templates, name)
        if source is not None:
            _check(name, source, where=f"{where}: {_line_of(name, text)}{name}")
    return templates


def check_template(source: str, prompt: PromptName, *, where: str) -> None:
    """A template of the user's must parse, mention what it must and nothing unknown.

    Raises:
        ConfigError: It does not; `where` names the key.
    """
    _check(prompt, source, where=where)


def render_answer(source: str, question: str) -> str:
    """The answer prompt `source` with a question filled in."""
    return _rendered(source, {"question": question}, where="answer template")


def _folder() -> Any:
    return importlib.resources.files("metasynth.softsrv").joinpath("templates")


def _rendered(source: str, variables: Mapping[str, object], *, where: str) -> str:
    try:
        return fill(source, variables).strip()
    except Exception as error:  # a template may divide by zero
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{where}: {first}", code="bad_template") from None


def _check(name: PromptName, source: str, *, where: str) -> None:
    needed = _VARIABLES[name]
    try:
        mentioned = meta.find_undeclared_variables(parsed(source))
    except TemplateError as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{where}: {first}", code="bad_template") from None
    if unknown := sorted(mentioned - set(needed)):
        known = ", ".join(needed)
        raise ConfigError(
            f"{where}: unknown variable {unknown[0]!r}; it may mention {known}",
            code="unknown_variable",
        )
    if needed[0] not in mentioned:
        raise ConfigError(
            f"{where}: does not mention {{{{ {needed[0]} }}}}", code="missing_variable"
        )
    _rendered(source, _EXAMPLES, where=where)


def _problem(error: Mapping[str, Any], text: str) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    line = _line_of(key, text)
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, TaskTemplates.model_fields, n=1)
        return f"{line}unknown key {key!r}" + (f" (did you mean {close[0]!r}?)" if close else "")
    if error["type"] == "missing":
        return f"key {key!r} is needed"
    return f"{line}{key}: {error['msg']}"


def _line_of(key: str, text: str) -> str:
    found = re.search(rf"^{re.escape(key)}\s*:", text, re.MULTILINE)
    return f"line {text[: found.start()].count(chr(10)) + 1}: " if found else ""
