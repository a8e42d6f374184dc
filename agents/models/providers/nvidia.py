"""NVIDIA's hosted models and NIMs: `pip install 'metasynth-agents[nvidia]'`."""

from typing import TYPE_CHECKING

from metasynth.agents.models.provider import provider
from metasynth.agents.models.served.package import Package
from metasynth.config.model import ModelConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PACKAGE = Package(
    "langchain_nvidia_ai_endpoints",
    "ChatNVIDIA",
    "https://integrate.api.nvidia.com/v1",
    timeout=None,
    options={"usage_telemetry_enabled": False},
)


@provider(
    priced=True,
    key_env="NVIDIA_API_KEY",
    extra="nvidia",
    packages=("langchain-nvidia-ai-endpoints",),
)
def nvidia(name: str, config: ModelConfig) -> "BaseChatModel":
    """The model called `name`."""
    from metasynth.agents.models.served.chat import served_chat

    return served_chat(PACKAGE, name, config)
