"""Models of an Ollama server, by its own protocol: `pip install 'metasynth-agents[ollama]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import SETTINGS, Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_ollama",
    "ChatOllama",
    "http://127.0.0.1:11434",
    key=None,
    timeout=None,
    options={},
    settings={**SETTINGS, "max_tokens": "num_predict"},
    extra_body=None,
)


@provider(extra="ollama", packages=("langchain-ollama",))
def ollama(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`, which the server has."""
    from metasynth.agents.models.served.chat import served_chat

    timeout = {"timeout": config.timeout_s}
    return served_chat(PACKAGE, name, config, client_kwargs=timeout)
