"""Claude, by Anthropic: `pip install 'metasynth-agents[anthropic]'`."""

from typing import TYPE_CHECKING, Any

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def _schema(response_format: dict[str, Any]) -> dict[str, Any]:
    if response_format["type"] != "json_schema":
        return {}  # no such mode
    schema = response_format["json_schema"]["schema"]
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


PACKAGE = Package(
    "langchain_anthropic",
    "ChatAnthropic",
    "https://api.anthropic.com",
    settings={"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens"},
    schema=_schema,
)


@provider(
    priced=True,
    key_env="ANTHROPIC_API_KEY",
    extra="anthropic",
    packages=("langchain-anthropic",),
    takes_seed=False,
)
def anthropic(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`; its API wants `max_tokens`, which the package fills in."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
