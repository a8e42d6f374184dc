"""The chat model that a run file names."""

from langchain_core.language_models import BaseChatModel

from metasynth.config.model import ModelConfig


def chat_model(config: ModelConfig) -> BaseChatModel:
    """The chat model of a section of the run file; slow libraries are imported here."""
    if config.model.startswith("openai:"):
        return _hosted(config)
    return _in_process(config)


def _hosted(config: ModelConfig) -> BaseChatModel:
    from metasynth.agents.models.openai.chat import openai_chat

    return openai_chat(
        config.model.removeprefix("openai:"),
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
    )


def _in_process(config: ModelConfig) -> BaseChatModel:
    from metasynth.agents.models.local.chat import embedded_chat, local_chat

    if config.model == "embedded":
        return embedded_chat(
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens,
            max_batch=config.max_batch,
            device=config.device,
            dtype=config.dtype,
        )
    return local_chat(
        config.model.removeprefix("local:"),
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        max_batch=config.max_batch,
        device=config.device,
        dtype=config.dtype,
        trust_remote_code=config.trust_remote_code,
    )
