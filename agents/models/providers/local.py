"""A language model in this process, from a folder or a hub."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@provider(takes="PATH_OR_HUB_ID")
def local(path_or_id: str, config: ModelConfig) -> "BaseChatModel":
    """The model in the folder, or with this hub id, loaded now."""
    from metasynth.agents.models.local.chat import local_chat

    return local_chat(
        path_or_id,
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        max_batch=config.max_batch,
        device=config.device,
        dtype=config.dtype,
        trust_remote_code=config.trust_remote_code,
    )
