"""Models at Fireworks: `pip install 'metasynth-agents[fireworks]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import SETTINGS, Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_fireworks",
    "ChatFireworks",
    "https://api.fireworks.ai",
    settings={**SETTINGS, "top_p": "model_kwargs.top_p", "seed": "model_kwargs.seed"},
)


@provider(
    priced=True, key_env="FIREWORKS_API_KEY", extra="fireworks", packages=("langchain-fireworks",)
)
def fireworks(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`; a `base_url` ends before /inference/v1."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
