"""MBPP: a Python function from a sentence, judged by three asserts (Austin et al. 2021).

What the model wrote is run, confined as `code_execution` says; nothing is run unless the caller
has allowed it.
"""

import re

from metasynth.eval.tasks.judging.code_execution import CodeLimits, run_python
from metasynth.eval.tasks.spec import (
    BadItemError,
    TaskItem,
    TaskRow,
    TaskSource,
    TaskSpec,
    TaskVerdict,
    id_of,
    text_of,
    value_of,
)

_FENCED = re.compile(r"```[ \t]*(?:python|py|Python)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BEGIN, _DONE = "[BEGIN]", "[DONE]"


def code_in(text: str) -> str:
    """The program of an answer: the longest fenced block, else all of it up to `[DONE]`."""
    blocks = _FENCED.findall(text)
    code = max(blocks, key=len) if blocks else text.partition(_DONE)[0]
    code = code.removeprefix(_BEGIN) if code.lstrip().startswith(_BEGIN) else code
    return str(code.replace(_BEGIN, "", 1) if code.lstrip().startswith(_BEGIN) else code).strip(
        "\n"
    )


def _read(row: TaskRow) -> TaskItem:
    tests = value_of(row, "test_list")
    if not isinstance(tests, list) or not tests or not all(isinstance(one, str) for one in tests):
        raise BadItemError("field test_list is no list of tests")
    setup = row.get("test_setup_code") or ""
    text = text_of(row, "text", "prompt").strip()
    asserts = "\n".join(tests)
    question = (
        f"You are an expert Python programmer, and here is your task: {text} "
        f"Your code should pass these tests:\n\n{asserts}\n{_BEGIN}"
    )
    code = text_of(row, "code").replace("\r\n", "\n").strip("\n")
    return TaskItem(
        id=id_of(row, "task_id"),
        question=question,
        answer=f"{code}\n{_DONE}",
        target=f"{setup}\n{asserts}\n",
    )


def make_mbpp(limits: CodeLimits | None = None) -> TaskSpec:
    """The task, with limits for what is run."""
    limits = limits or CodeLimits()

    def judge(item: TaskItem, text: str) -> TaskVerdict:
        code = code_in(text)
        if not code.strip():
            return TaskVerdict(False, None)
        # two rows have a set-up that needs the code before it
        done = run_python(f"{code}\n{item.target}", limits=limits)
        reason = "" if done.outcome == "passed" else f"{done.outcome}: {done.detail}"
        return TaskVerdict(done.outcome == "passed", code, reason)

    return TaskSpec(
        name="mbpp",
        title="MBPP",
        read=_read,
        judge=judge,
        rule=(
            "The longest fenced block, else all up to [DONE], must pass the row's asserts within "
            f"{limits.seconds:g} s and {limits.memory_mb} MB, with the standard library alone. An "
            "empty answer is wrong."
        ),
        rows=TaskSource("mbpp/test", ("google-research-datasets/mbpp", "full", "test")),
        examples=TaskSource("mbpp/prompt", ("google-research-datasets/mbpp", "full", "prompt")),
        shots=3,
        instruction="Answer with the code alone, in one fenced block.",
        joint="\n",
        stop=(_DONE,),
        max_new_tokens=512,
        runs_code=True,
        settings={"seconds": limits.seconds, "memory_mb": limits.memory_mb},
    )


MBPP = make_mbpp()
