"""What the teacher is asked for an answer to a question."""

from typing import TYPE_CHECKING

from metasynth.config.softsrv import AnswerConfig

if TYPE_CHECKING:
    from metasynth.softsrv.baselines.task_templates import TaskTemplates


def answer_prompt(answers: AnswerConfig, templates: "TaskTemplates", question: str) -> str | None:
    """The prompt; None where questions stay without an answer."""
    from metasynth.softsrv.baselines.task_templates import render_answer

    if answers.style == "none":
        return None
    if answers.style == "bare":
        return question
    if answers.template:
        return render_answer(answers.template, question)
    return templates.render("answer", question=question)
