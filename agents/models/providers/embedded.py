"""The model that the package carries: no network, no key, and a few small domains of its own."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@provider(takes="", follows_prompts=False, reproducible=True)
def embedded(_nothing: str, config: ModelConfig) -> "BaseChatModel":
    """The packaged weights, loaded now."""
    from metasynth.agents.models.local.chat import embedded_chat

    return embedded_chat(
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        max_batch=config.max_batch,
        device=config.device,
        dtype=config.dtype,
    )
