"""Models by way of OpenRouter: `pip install 'metasynth-agents[openrouter]'`."""

from typing import TYPE_CHECKING, Any

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def _no_tries(chat: Any) -> None:
    # The SDK takes the lack of a configuration for an hour of tries, whatever `max_retries` says.
    chat.client.sdk_configuration.retry_config = None


PACKAGE = Package(
    "langchain_openrouter",
    "ChatOpenRouter",
    "https://openrouter.ai/api/v1",
    timeout=None,
    prepare=_no_tries,
)


@provider(
    priced=True,
    key_env="OPENROUTER_API_KEY",
    extra="openrouter",
    packages=("langchain-openrouter",),
)
def openrouter(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`, such as `vendor/model`."""
    from metasynth.agents.models.served.chat import served_chat

    milliseconds = round(config.timeout_s * 1000)
    return served_chat(PACKAGE, name, config, timeout=milliseconds)
