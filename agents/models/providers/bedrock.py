"""Models of Amazon Bedrock: `pip install 'metasynth-agents[bedrock]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_aws",
    "ChatBedrockConverse",
    "https://bedrock-runtime.amazonaws.com",
    key=None,  # boto3 looks for credentials where AWS's own tools do
    options={"max_retries": 0},
    settings={"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_tokens"},
    extra_body="additional_model_request_fields",
    schema=None,
    secrets=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)


@provider(
    priced=True,
    key_env="AWS_BEARER_TOKEN_BEDROCK",
    extra="bedrock",
    packages=("langchain-aws",),
    takes_seed=False,
)
def bedrock(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model or inference profile called `name`, by the Converse API, in AWS_REGION."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
