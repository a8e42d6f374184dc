"""What a criterion may ask besides the student."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from metasynth.config.student import ScoringConfig, StudentConfig
from metasynth.graphs.run.calls import Caller, Speaker

from .judge import teacher_judge

if TYPE_CHECKING:
    from metasynth.student.scoring.checking import Checker
    from metasynth.student.scoring.judging import AskJudge
    from metasynth.student.scoring.reward import RewardModel


class Resources(NamedTuple):
    """Those that the criterion needs; None for the others.

    Attributes:
        judge: A chat model.
        checker: Says whether an answer is right.
        reward: Gives the reward model; blocks while it is loaded.
    """

    judge: "AskJudge | None" = None
    checker: "Checker | None" = None
    reward: "Callable[[], RewardModel] | None" = None


def resources_for(
    scoring: ScoringConfig,
    student: StudentConfig,
    *,
    caller: Caller,
    teacher: Speaker,
    checker: "Checker | str | None",
) -> Resources:
    """What the criterion of a run needs; no model is loaded yet.

    Args:
        student: Its device is the reward model's too.
        caller: Through which the teacher is asked to judge.
        checker: Taken, or made of its name, where the criterion needs one.
    """
    from metasynth.student.scoring.checking import make_checker
    from metasynth.student.scoring.criterion import CRITERIA

    needs = CRITERIA[scoring.criterion].needs
    if "checker" not in needs:
        checker = None
    return Resources(
        judge=teacher_judge(caller, teacher) if "judge" in needs else None,
        checker=make_checker(checker) if isinstance(checker, str) else checker,
        reward=reward_loader(scoring, student) if "reward model" in needs else None,
    )


def reward_loader(
    scoring: ScoringConfig, student: StudentConfig
) -> "Callable[[], RewardModel] | None":
    """What loads the reward model where it is first needed; None where none is named.

    The function raises `RequestError` where there is no such model, or it is no reward model.
    """
    if scoring.reward_model is None:
        return None
    path = scoring.reward_model

    @cache
    def load() -> "RewardModel":
        from metasynth.student.scoring.reward import RewardModel

        return RewardModel.load(path, device=student.device)

    return load
