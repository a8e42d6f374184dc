"""Mistral's models at Mistral: `pip install 'metasynth-agents[mistral]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import SETTINGS, Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_mistralai",
    "ChatMistralAI",
    "https://api.mistral.ai/v1",
    settings={**SETTINGS, "seed": "random_seed"},
)


@provider(
    priced=True, key_env="MISTRAL_API_KEY", extra="mistral", packages=("langchain-mistralai",)
)
def mistral(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
