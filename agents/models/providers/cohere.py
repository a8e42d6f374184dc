"""Command, by Cohere: `pip install 'metasynth-agents[cohere]'`."""

from typing import TYPE_CHECKING, Any

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def _schema(response_format: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {"type": "json_object"}
    if response_format["type"] == "json_schema":
        form["schema"] = response_format["json_schema"]["schema"]
    return {"response_format": form}


PACKAGE = Package(
    "langchain_cohere",
    "ChatCohere",
    "https://api.cohere.com",
    key="cohere_api_key",
    timeout="timeout_seconds",
    options={},
    settings={
        "temperature": "temperature",
        "top_p": "call.p",
        "max_tokens": "call.max_tokens",
        "seed": "call.seed",
    },
    extra_body=None,
    call={"request_options": {"max_retries": 0}},
    forced="REQUIRED",
    binds=False,
    schema=_schema,
)


@provider(priced=True, key_env="COHERE_API_KEY", extra="cohere", packages=("langchain-cohere",))
def cohere(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
