"""Programs in answers: they are run, confined as `code_execution` says, where that is allowed."""

import re

from metasynth.eval.tasks.spec import TaskItem, TaskVerdict

from .code_execution import CodeLimits, run_python

BEGIN, DONE = "[BEGIN]", "[DONE]"
_FENCED = re.compile(r"```[ \t]*(?:python|py|Python)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def judge_program(
    item: TaskItem, text: str, *, seconds: float = 5.0, memory_mb: int = 512
) -> TaskVerdict:
    """Whether the program comes to its end with the asserts of the target behind it.

    Args:
        item: The question.
        text: The answer.
        seconds: Of processor time.
        memory_mb: Of addresses, the interpreter's own (some 30) counted.
    """
    code = code_in(text)
    if not code.strip():
        return TaskVerdict(False, None)
    # two rows have a set-up that needs the code before it
    limits = CodeLimits(seconds=seconds, memory_mb=memory_mb)
    execution = run_python(f"{code}\n{item.target}", limits=limits)
    passed = execution.outcome == "passed"
    reason = "" if passed else f"{execution.outcome}: {execution.detail}"
    return TaskVerdict(passed, code, reason)


def code_in(text: str) -> str:
    """The program of an answer: the longest fenced block, else all of it up to `[DONE]`."""
    blocks = _FENCED.findall(text)
    code = max(blocks, key=len) if blocks else text.partition(DONE)[0]
    code = code.removeprefix(BEGIN) if code.lstrip().startswith(BEGIN) else code
    return str(code.replace(BEGIN, "", 1) if code.lstrip().startswith(BEGIN) else code).strip("\n")
