"""The chat models of a run."""

from collections.abc import Iterable

from metasynth.agents.models.adaptation.adaptation import Adaptable, Adaptations
from metasynth.agents.models.pacing.pacer import Paced
from metasynth.agents.models.provider import chat_model, provider_of
from metasynth.agents.roles.role import Role
from metasynth.config.model import ModelConfig
from metasynth.config.run import RunConfig
from metasynth.graphs.document.fixed import NAME as FIXED
from metasynth.graphs.run.voices import Voice, Voices


def make_voices(
    config: RunConfig, roles: Iterable[Role], adaptations: Adaptations | None = None
) -> Voices:
    """The conductor's and the experts' models; a role may name one of its own.

    Args:
        adaptations: What is known of the requests that endpoints take; shared by all models.
    """
    by_name: dict[str, Voice] = {}
    for role in roles:
        if role.model and role.model not in by_name:
            by_name[role.model] = expert_voice(config, role)
    experts = voice_of(config.model_for("experts"), config)
    if config.conductor.policy == "fixed":
        conductor = experts._replace(name=FIXED)  # never asked
    else:
        conductor = voice_of(config.model_for("conductor"), config)
    voices = Voices(
        conductor=conductor,
        experts=experts,
        by_name=by_name,
    )
    shared = Adaptations() if adaptations is None else adaptations
    for voice in (voices.conductor, voices.experts, *by_name.values()):
        if isinstance(voice.model, Adaptable):
            voice.model.adapt_with(shared)
        if isinstance(voice.model, Paced):
            voice.model.pacer.expect(config.concurrency)
    return voices


def expert_voice(config: RunConfig, role: Role) -> Voice:
    """The model of one expert: its own, or that of all experts."""
    return voice_of(expert_model(config, role), config)


def expert_model(config: RunConfig, role: Role) -> ModelConfig:
    """The model of one expert as a section of the run file would name it."""
    experts = config.model_for("experts")
    if role.model is None:
        return experts
    return ModelConfig.model_validate(
        {**experts.model_dump(exclude_unset=True), "model": role.model}
    )


def voice_of(model: ModelConfig, config: RunConfig) -> Voice:
    """A model as it speaks in a run."""
    # one chain with a model in this process repeats byte for byte, so its calls are not batched
    settings = model.model_copy(update={"max_batch": 1}) if config.concurrency == 1 else model
    known = provider_of(model.model)
    return Voice(
        model.model,
        chat_model(settings),
        takes_seed=model.send_seed and known.takes_seed,
        follows_prompts=known.follows_prompts,
        reproducible=known.reproducible,
        unsent=model.unsent,
    )
