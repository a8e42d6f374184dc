"""Models at Together: `pip install 'metasynth-agents[together]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_together",
    "ChatTogether",
    "https://api.together.xyz/v1",
    extra_body="extra_body",
)


@provider(
    priced=True, key_env="TOGETHER_API_KEY", extra="together", packages=("langchain-together",)
)
def together(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
