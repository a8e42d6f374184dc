"""The reward model and the judge of a student, from what a run file or a command says."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from metasynth.config.model import ModelConfig
from metasynth.config.student import ScoringConfig, StudentConfig

if TYPE_CHECKING:
    from metasynth.student.scoring.judging import AskJudge
    from metasynth.student.scoring.reward import RewardModel


def reward_loader(
    scoring: ScoringConfig, student: StudentConfig
) -> "Callable[[], RewardModel] | None":
    """What loads the reward model where it is first needed; None where none is named.

    The function raises `RequestError` where there is no such model, or it is no reward model.
    """
    if scoring.criterion != "reward" or scoring.reward_model is None:
        return None
    path = scoring.reward_model

    @cache
    def load() -> "RewardModel":
        from metasynth.student.scoring.reward import RewardModel

        return RewardModel.load(path, device=student.device)

    return load


def judge_by(config: ModelConfig) -> "AskJudge":
    """A chat model as the judge of a student's answers.

    Raises:
        RequestError: There is no such model.
    """
    from metasynth.agents.models.factory import chat_model

    model = chat_model(config)

    async def ask(prompt: str, *, step: str, temperature: float) -> str:
        del step  # names the call where calls are kept
        reply = await model.ainvoke(prompt, temperature=temperature)
        return str(reply.text)

    return ask
