"""The tasks by name, read from `tasks.yaml`."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Any

import yaml

from metasynth.errors import RequestError
from metasynth.eval.tasks.judging.expressions import judge_expression
from metasynth.eval.tasks.judging.judges import (
    judge_choice,
    judge_entities,
    judge_near_number,
    judge_number,
    judge_rounded_number,
)
from metasynth.eval.tasks.judging.programs import judge_program
from metasynth.eval.tasks.readers.options import (
    read_adaptllm_choice,
    read_adaptllm_label,
    read_lettered_options,
)
from metasynth.eval.tasks.readers.passages import read_boolq, read_prontoqa, read_pubmedqa
from metasynth.eval.tasks.readers.problems import read_gsm8k, read_svamp
from metasynth.eval.tasks.readers.programs import read_mbpp
from metasynth.eval.tasks.readers.puzzles import read_game24
from metasynth.eval.tasks.readers.reports import read_convfinqa, read_finqa
from metasynth.eval.tasks.spec import TaskItem, TaskRow, TaskSource, TaskSpec, TaskVerdict

READERS: Mapping[str, Callable[[TaskRow], TaskItem]] = {
    "adaptllm_choice": read_adaptllm_choice,
    "adaptllm_label": read_adaptllm_label,
    "boolq": read_boolq,
    "convfinqa": read_convfinqa,
    "finqa": read_finqa,
    "game24": read_game24,
    "gsm8k": read_gsm8k,
    "lettered_options": read_lettered_options,
    "mbpp": read_mbpp,
    "prontoqa": read_prontoqa,
    "pubmedqa": read_pubmedqa,
    "svamp": read_svamp,
}
JUDGES: Mapping[str, Callable[..., TaskVerdict]] = {
    "choice": judge_choice,
    "entities": judge_entities,
    "expression": judge_expression,
    "near_number": judge_near_number,
    "number": judge_number,
    "program": judge_program,
    "rounded_number": judge_rounded_number,
}


def find_task(name: str) -> TaskSpec:
    """A task by its name.

    Raises:
        RequestError: There is none of that name (code `unknown_task`).
    """
    if name not in TASKS:
        raise RequestError(
            f"no task {name!r}", hint=f"one of: {', '.join(TASKS)}", code="unknown_task"
        )
    return TASKS[name]


def make_mbpp(*, seconds: float, memory_mb: int) -> TaskSpec:
    """MBPP with other limits of processor time and memory for what is run."""
    limits = {"seconds": seconds, "memory_mb": memory_mb}
    return _spec("mbpp", {**_read()["mbpp"], "judge": {"program": limits}, "settings": limits})


def _spec(name: str, keys: Mapping[str, Any]) -> TaskSpec:
    """A task from its keys in YAML; what is missing is as `TaskSpec` has it."""
    own: dict[str, Any] = dict(keys)
    judge = own.pop("judge")
    if isinstance(judge, dict):
        ((judge_name, options),) = judge.items()
        judge = partial(JUDGES[judge_name], **options)
    else:
        judge = JUDGES[judge]
    examples = own.pop("examples", None)
    if "stop" in own:
        own["stop"] = tuple(own["stop"])
    return TaskSpec(
        name=name,
        read=READERS[own.pop("reader")],
        judge=judge,
        rule=own.pop("rule").format(**own.get("settings", {})),
        rows=_source(own.pop("rows")),
        examples=examples and _source(examples),
        **own,
    )


def _source(keys: Mapping[str, Any]) -> TaskSource:
    hub, where = keys.get("hub"), keys.get("where")
    return TaskSource(keys["file"], hub and tuple(hub), where and tuple(where))


@cache
def _read() -> dict[str, Any]:
    file = files("metasynth.eval.tasks.catalogue") / "tasks.yaml"
    keys: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return keys


TASKS: Mapping[str, TaskSpec] = {name: _spec(name, keys) for name, keys in _read().items()}
