"""LangChain's own standard tests for providers' models, against the local protocol server.

What is left out is as in `test_openai_standard`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from metasynth.agents.models.provider import chat_model
from metasynth.agents.models.served.chat import ServedChat
from metasynth.config.model import ModelConfig
from tests.servers.providers import ProviderServer

pytestmark = [
    pytest.mark.usefixtures("clients_of_packages"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
]


def parameters(name: str, address: str, **values: Any) -> dict[str, Any]:
    """What makes a `ServedChat` like that of a run file."""
    model = chat_model(ModelConfig(model=f"{name}:some-model", base_url=address, **values))
    assert isinstance(model, ServedChat)
    return {field: getattr(model, field) for field in type(model).model_fields}


class _Unit(ChatModelUnitTests):
    provider = ""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ServedChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return parameters(self.provider, "http://127.0.0.1:9")

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}  # settings of a run file are in `chat_model_params`


class TestUnitAnthropic(_Unit):
    provider = "anthropic"


class TestUnitXAI(_Unit):
    provider = "xai"


class _Integration(ChatModelIntegrationTests):
    provider = ""
    path = ""

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with ProviderServer() as server:
            self.address = server.base + self.path
            yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ServedChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return parameters(self.provider, getattr(self, "address", "http://127.0.0.1:9"))

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}


class TestAnthropic(_Integration):
    provider = "anthropic"


class TestXAI(_Integration):
    provider = "xai"
    path = "/v1"

    @property
    def supports_json_mode(self) -> bool:
        return True
