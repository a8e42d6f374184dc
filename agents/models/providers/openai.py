"""OpenAI, and any server that speaks its protocol: vLLM, Ollama, llama.cpp, LM Studio."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@provider(priced=True, key_env="OPENAI_API_KEY", packages=("langchain-openai", "openai"))
def openai(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name` at `base_url`, else at OPENAI_BASE_URL, else at OpenAI."""
    from metasynth.agents.models.openai.chat import openai_chat

    assert config.api_key_env is not None
    return openai_chat(
        name,
        base_url=config.base_url,
        api_key_env=config.api_key_env,
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        timeout_s=config.timeout_s,
        max_tries=config.max_tries,
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
        max_concurrency=config.max_concurrency,
        extra_body=config.extra_body,
        tool_choice=config.tool_choice,
        token_limit_field=config.token_limit_field,
        system_role=config.system_role,
    )
