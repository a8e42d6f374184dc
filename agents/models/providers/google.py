"""Gemini, by Google: `pip install 'metasynth-agents[google]'`."""

from typing import TYPE_CHECKING, Any

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import SETTINGS, Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def _schema(response_format: dict[str, Any]) -> dict[str, Any]:
    form = {"response_mime_type": "application/json"}
    if response_format["type"] != "json_schema":
        return form
    return {**form, "response_json_schema": response_format["json_schema"]["schema"]}


PACKAGE = Package(
    "langchain_google_genai",
    "ChatGoogleGenerativeAI",
    "https://generativelanguage.googleapis.com",
    options={"max_retries": 1, "vertexai": False},  # counts the first try; 0 is a default
    settings={**SETTINGS, "max_tokens": "max_output_tokens"},
    schema=_schema,
)


@provider(
    priced=True, key_env="GOOGLE_API_KEY", extra="google", packages=("langchain-google-genai",)
)
def google(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`, of the Gemini API (not of Vertex AI)."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
