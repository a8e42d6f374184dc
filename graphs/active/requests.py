"""What the teacher is asked for a row, shown its seed."""

from typing import TYPE_CHECKING

from metasynth.config.active import AskingConfig
from metasynth.graphs.questions.queue import Request
from metasynth.sandbox import render_template

from .pool import problem_of

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow


def request_for(seed: "StudentRow", asking: AskingConfig, *, follows_prompts: bool) -> Request:
    """The request for one new problem with its solution.

    Args:
        follows_prompts: Of the teacher; one that follows none is shown the seed alone.
    """
    mark = asking.solution_mark
    solution = seed.answer.strip() if seed.is_answered else ""
    bare = solution.removeprefix(mark).strip()
    if not follows_prompts:
        prompt = f"{problem_of(seed)} {mark} {bare}" if bare else problem_of(seed)
    else:
        prompt = render_template(asking.prompt, {"problem": problem_of(seed), "solution": bare})
    keeps = solution.startswith(mark)
    return Request(prompt, asking.problem_mark, mark, keeps, asking.temperature)
