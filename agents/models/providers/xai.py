"""Grok, by xAI: `pip install 'metasynth-agents[xai]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_xai",
    "ChatXAI",
    "https://api.x.ai/v1",
    extra_body="extra_body",
)


@provider(priced=True, key_env="XAI_API_KEY", extra="xai", packages=("langchain-xai",))
def xai(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
