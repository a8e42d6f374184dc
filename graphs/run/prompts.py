"""What the prompts of a run may mention."""

from metasynth.config.run import RunConfig


def prompt_variables(config: RunConfig, *, persona: str = "", genre: str = "") -> dict[str, object]:
    """What the prompts of a run may mention."""
    return {
        "domain": config.domain.name,
        "description": config.domain.description,
        "language": config.domain.language,
        "persona": persona,
        "genre": genre,
        "max_words": config.gate.max_words,
    }
