"""Deployments of Azure OpenAI."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig
from metasynth.errors import RequestError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_openai",
    "AzureChatOpenAI",
    "",
    model="azure_deployment",
    base_url="azure_endpoint",
    extra_body="extra_body",
)


@provider(
    priced=True, key_env="AZURE_OPENAI_API_KEY", takes="DEPLOYMENT", packages=("langchain-openai",)
)
def azure(name: str, config: ModelConfig) -> "BaseChatModel":
    """The deployment called `name` at `base_url`, the resource's address."""
    from metasynth.agents.models.served.chat import served_chat

    if not config.base_url:
        raise RequestError(
            f"azure:{name} needs base_url: the address of the Azure OpenAI resource",
            hint="it ends in openai.azure.com, or in services.ai.azure.com",
            code="missing_address",
        )
    return served_chat(
        PACKAGE, name, config, api_version=config.api_version, use_responses_api=False
    )
