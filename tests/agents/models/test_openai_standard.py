"""LangChain's own standard tests for chat models, against the loopback server.

Left out, because they do not apply:
- images, PDFs and audio as input, and Anthropic's or Google's content blocks: the documents
  of this project are text (`supports_*` properties, False by default);
- the cassette benchmark (`enable_vcr_tests`): there is no outside world to record;
- serialisation (`test_serdes`): a model holds a connection, a pacer and a key; the run file is what
  describes it, so `is_lc_serializable` is False and the test skips itself.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from metasynth.agents.models.openai.chat import OpenAIChat
from tests.openai_server import OpenAIServer


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return OpenAIChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "test-model", "base_url": "http://127.0.0.1:9/v1", "api_key": "none"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"OPENAI_API_KEY": "api_key", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
            {"model": "test-model"},
            {"openai_api_key": "api_key", "openai_api_base": "http://127.0.0.1:9/v1"},
        )


# Both are third parties among themselves: the SDK's parsed objects in LangChain's dump of them, and
# LangChain's suite giving LangChain's model a schema that it warns of.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning")
class TestIntegration(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with OpenAIServer() as server:
            self.base_url = server.base_url
            yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return OpenAIChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        url = getattr(self, "base_url", "http://127.0.0.1:9/v1")
        return {"model": "test-model", "base_url": url, "api_key": "none"}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "another-model"
