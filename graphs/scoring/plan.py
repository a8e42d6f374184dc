"""What a run file says of the student's scores, checked before anything starts."""

from typing import NamedTuple

from metasynth.agents.models.provider import provider_facts
from metasynth.config.active import CandidatesConfig
from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.config.run import RunConfig
from metasynth.config.student import ScoringConfig, StudentConfig
from metasynth.errors import ConfigError
from metasynth.student.scoring.criterion import CRITERIA

_KEY = "active.candidates.scoring.criterion"


class ScreeningPlan(NamedTuple):
    """The student that scores candidates, and what follows from its scores."""

    student: StudentConfig
    settings: CandidatesConfig

    def facts(self) -> list[tuple[str, str]]:
        """What would be used, for `validate`."""
        settings, criterion = self.settings, self.settings.scoring.criterion
        if settings.accept == "best":
            rule = f"the {settings.keep} best of {settings.batch} ({settings.direction})"
        else:
            rule = (
                f"threshold at quantile {settings.quantile:g} of the last {settings.window} scores "
                f"({settings.direction})"
            )
        return [("student", self.student.model), ("candidates", f"{criterion}, {rule}")]


def plan_screening(config: RunConfig) -> ScreeningPlan | None:
    """The plan of `active.candidates`, or None where the student has no say in it.

    Raises:
        ConfigError: The criterion does not fit the graph, or what it needs is not there.
    """
    if config.active is None:
        return None
    settings = config.active.candidates
    if settings is None:
        if config.graph == "active":
            return None
        raise ConfigError(
            f"active.candidates: this key is needed in graph {config.graph}", code="missing_key"
        )
    criterion = settings.scoring.criterion
    facts = CRITERIA.facts(criterion)
    if facts.needs_pool:
        raise ConfigError(
            f"{_KEY}: {criterion} trains on hundreds of rows, and candidates are few at a time",
            hint=f"take loss_gold here; {criterion} chooses from a pool of seeds",
            code="unfit_criterion",
        )
    check_criterion(config, settings.scoring, _KEY)
    if facts.needs_question and not _has_prompts(config):
        raise ConfigError(
            f"{_KEY}: {criterion} needs a question that the student answers, and "
            f"{_why_no_prompts(config)}",
            hint="take one of the given answer, such as loss_gold",
            code="unfit_criterion",
        )
    if "checker" in facts.needs and config.checker is None:
        raise ConfigError(f"checker: this key is needed by {_KEY}: {criterion}", code="no_checker")
    return ScreeningPlan(config.student, settings)


def check_criterion(config: RunConfig, scoring: ScoringConfig, key: str) -> None:
    """Refuse a criterion whose reward model or judge is not there.

    Args:
        key: What messages call the criterion's key.

    Raises:
        ConfigError: It says which (codes `no_reward_model`, `cannot_judge`).
    """
    needs = CRITERIA.facts(scoring.criterion).needs
    if "reward model" in needs and scoring.reward_model is None:
        raise ConfigError(
            f"{key}: {scoring.criterion} needs a reward model",
            hint="name its folder or hub id as reward_model beside the criterion",
            code="no_reward_model",
        )
    if "judge" in needs and not provider_facts(config.model_for("experts").model).follows_prompts:
        raise ConfigError(
            f"{key}: {scoring.criterion}: the embedded model cannot judge", code="cannot_judge"
        )


def _has_prompts(config: RunConfig) -> bool:
    """Whether records are questions with answers."""
    if config.graph == "softsrv":
        return config.softsrv is not None and config.softsrv.answers.style != "none"
    return config.graph in (*INSTRUCT_GRAPHS, "active")


def _why_no_prompts(config: RunConfig) -> str:
    if config.graph == "softsrv":
        return "softsrv.answers.style is none"
    return f"graph {config.graph} writes documents"
