"""Asking the teacher for one new problem with its solution, shown a seed: one call for a row."""

import re
from typing import NamedTuple

from metasynth.agents.models.embedded.prompts import EDITOR
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.workspace import Workspace
from metasynth.text.words import excerpt

from .answering import answer_of
from .queue import Request
from .templates import writer_messages

_TEACHER = "teacher"


class Problem(NamedTuple):
    """What the teacher wrote; `verdict` says why it is no row, where it is not."""

    problem: str
    solution: str
    agent: str
    cut: bool = False
    verdict: Verdict = Verdict()


async def ask_for_problem(
    workspace: Workspace, request: Request, *, chain: str, step: str, record_id: str
) -> Problem:
    """The teacher's reply, read; from the ledger where it was given before.

    A reply that cannot be read is not asked for again: it is counted, and paid for.

    Raises:
        BudgetEndedError: A limit of the budget is reached.
        ModelCallError: The model could not answer.
    """
    agent = _TEACHER if workspace.voices.experts.follows_prompts else EDITOR
    call = workspace.caller.call(
        workspace.voices.experts,
        writer_messages(workspace, request.prompt),
        chain=chain,
        step=step,
        agent=agent,
        record_id=record_id,
        settings={"temperature": request.temperature},
    )
    text, _, cut, verdict = await answer_of(call, agent)
    problem, solution = read_problem(text, request)
    if problem and solution:
        return Problem(problem, solution, agent, cut)
    if not verdict.passed:
        return Problem(text, "", agent, verdict=verdict)
    lacks = f"no {request.solution_mark!r} in the reply" if problem else "the reply has no problem"
    detail = f"{lacks}{', which was cut' if cut else ''}: {excerpt(text, 30)}"
    return Problem(text, "", agent, verdict=Verdict("unparsed", detail))


def read_problem(reply: str, request: Request) -> tuple[str, str]:
    """Problem and solution by their marks, emphasised or not; "" for what is not there."""
    before, after = _parted(reply, request.solution_mark)
    named, own = _parted(before, request.problem_mark)
    problem, solution = (own or named).strip(), after.strip()
    if solution and request.keeps_mark:
        solution = f"{request.solution_mark} {solution}"
    return problem, solution


def _parted(text: str, mark: str) -> tuple[str, str]:
    """What stands before and after a mark; all of it before where there is none."""
    pattern = re.escape(mark)
    if mark.endswith(":"):  # models write **Mark:**, **Mark**: and headings
        word = re.escape(mark[:-1])
        pattern = rf"[*_#]*[ ]*{word}[*_]*:[*_]*|^#+[ ]*{word}[ ]*$"
    parts = re.split(pattern, text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)
    return (parts[0], parts[1]) if len(parts) == 2 else (text, "")
