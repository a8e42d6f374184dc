"""Models at Groq: `pip install 'metasynth-agents[groq]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import SETTINGS, Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_groq",
    "ChatGroq",
    "https://api.groq.com",
    settings={**SETTINGS, "top_p": "model_kwargs.top_p", "seed": "model_kwargs.seed"},
)


@provider(priced=True, key_env="GROQ_API_KEY", extra="groq", packages=("langchain-groq",))
def groq(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`; a `base_url` ends before /openai/v1."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
