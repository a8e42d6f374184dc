"""Sonar, by Perplexity: `pip install 'metasynth-agents[perplexity]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_perplexity",
    "ChatPerplexity",
    "https://api.perplexity.ai",
    base_url=None,  # the SDK reads PERPLEXITY_BASE_URL
    settings={
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "top_p": "model_kwargs.top_p",
    },
)


@provider(
    priced=True,
    key_env="PPLX_API_KEY",
    takes_seed=False,
    extra="perplexity",
    packages=("langchain-perplexity",),
)
def perplexity(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
