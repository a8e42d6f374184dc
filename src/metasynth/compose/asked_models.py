"""The distinct models that a run asks, and as whom."""

from dataclasses import dataclass

from metasynth.config.model import ModelConfig
from metasynth.config.run import RunConfig
from metasynth.graphs.document.order import conducts

from .chat_models import expert_model
from .plan import RunPlan, roles_of


@dataclass(frozen=True)
class AskedModel:
    """A model with the settings that it is asked with.

    Attributes:
        parts: `conductor`, `experts`, or the roles that name a model of their own.
        settings: As a section of a run file.
    """

    parts: tuple[str, ...]
    settings: ModelConfig

    @property
    def conducts(self) -> bool:
        """Whether it is the conductor, which calls tools."""
        return "conductor" in self.parts

    def key(self, config: RunConfig, name: str) -> str:
        """The key of the run file that decides about a setting of this model."""
        part = self.parts[0]
        section = part if part in ("conductor", "experts") else "experts"
        own = name in getattr(config, section).model_fields_set
        return f"{section if own else 'teacher'}.{name}"


def asked_models(plan: RunPlan) -> list[AskedModel]:
    """The models of a run; those that are asked alike stand there once."""
    config = plan.config
    parts: list[tuple[str, ModelConfig]] = []
    if conducts(config) and config.conductor.policy == "model":
        parts.append(("conductor", config.model_for("conductor")))
    parts.append(("experts", config.model_for("experts")))
    parts += [
        (role.name, expert_model(config, role))
        for role in roles_of(config, plan.roles)
        if role.model is not None
    ]
    by_settings: dict[str, tuple[list[str], ModelConfig]] = {}
    for part, settings in parts:
        same = by_settings.setdefault(_alike(settings), ([], settings))
        same[0].append(part)
    return [AskedModel(tuple(names), settings) for names, settings in by_settings.values()]


def _alike(settings: ModelConfig) -> str:
    plain = ModelConfig.model_validate(
        {name: getattr(settings, name) for name in ModelConfig.model_fields}
    )
    return f"{plain.model_dump_json()} {sorted(settings.unsent)}"
