"""MBPP: a Python function from a sentence, judged by three asserts (Austin et al. 2021)."""

from metasynth.eval.tasks.judging.programs import BEGIN, DONE
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, text_of, value_of


def read_mbpp(row: TaskRow) -> TaskItem:
    """A task and its asserts, which are the target, with what sets them up."""
    tests = value_of(row, "test_list")
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        raise BadItemError("field test_list is no list of tests")
    setup = row.get("test_setup_code") or ""
    text = text_of(row, "text", "prompt").strip()
    asserts = "\n".join(tests)
    question = (
        f"You are an expert Python programmer, and here is your task: {text} "
        f"Your code should pass these tests:\n\n{asserts}\n{BEGIN}"
    )
    code = text_of(row, "code").replace("\r\n", "\n").strip("\n")
    return TaskItem(
        id=id_of(row, "task_id"),
        question=question,
        answer=f"{code}\n{DONE}",
        target=f"{setup}\n{asserts}\n",
    )
