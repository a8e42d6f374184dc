"""A chat model as the judge of a student's answers."""

from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage

from metasynth.agents.models.answers.cleaning import clean_answer
from metasynth.config.model import ModelConfig
from metasynth.errors import PromptError
from metasynth.graphs.run.calls import Caller, Speaker

if TYPE_CHECKING:
    from metasynth.student.scoring.judging import AskJudge

_CHAIN = "student"
_JUDGE = "judge"


def judge_by(config: ModelConfig) -> "AskJudge":
    """A chat model that is asked directly, outside a run.

    Raises:
        RequestError: There is no such model.
    """
    from metasynth.agents.models.provider import chat_model

    model = chat_model(config)

    async def ask(prompt: str, *, step: str, temperature: float) -> str:
        del step  # names the call where calls are kept
        reply = await model.ainvoke(prompt, temperature=temperature)
        return str(clean_answer(reply).text)

    return ask


def teacher_judge(caller: Caller, teacher: Speaker) -> "AskJudge":
    """The teacher of a run: its calls are in the ledger and count towards the budget."""

    async def ask(prompt: str, *, step: str, temperature: float) -> str:
        from metasynth.student.rows import BadRowError

        try:
            reply = await caller.call(
                teacher,
                [HumanMessage(prompt)],
                chain=_CHAIN,
                step=step,
                agent=_JUDGE,
                record_id=step.split()[1],  # "judge ID 0", "lion ID a 1", "teacher ID"
                settings={"temperature": temperature},
            )
        except PromptError as error:
            raise BadRowError(f"the judge: {error.message}") from error
        return str(reply.text)

    return ask
