"""Providers of LangChain's own packages, each over HTTP in its own protocol."""

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from metasynth.agents.models.provider import PROVIDERS, chat_model
from metasynth.agents.models.served.chat import ServedChat
from metasynth.config.model import ModelConfig
from metasynth.errors import ModelCallError, RequestError
from tests.commands import corpus_of, fast_embedder, metasynth
from tests.openai_answers import Reply, failure
from tests.openai_server import scripted
from tests.raising import raises
from tests.servers.providers import ProviderServer
from tests.teacher import Teacher

# third parties among themselves: Google's SDK, aiohttp, and sessions that no loop closes
pytestmark = [
    pytest.mark.usefixtures("clients_of_packages"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KEY = "key-of-a-test-0123456789"


class Served(NamedTuple):
    """A provider, and where its package looks for the server."""

    name: str
    path: str
    seed: bool = True

    @property
    def missing(self) -> bool:
        """Whether its package is not installed."""
        package = PROVIDERS[self.name].packages[0].replace("-", "_")
        module = {"langchain_google_genai": "langchain_google_genai"}.get(package, package)
        return importlib.util.find_spec(module) is None


ALL = (  # fireworks, cohere and perplexity are still to do
    Served("anthropic", "", seed=False),
    Served("azure", ""),
    Served("deepseek", "/v1"),
    Served("google", ""),
    Served("groq", ""),
    Served("mistral", "/v1"),
    Served("ollama", ""),
    Served("openrouter", "/v1"),
    Served("together", "/v1"),
    Served("xai", "/v1"),
)
TOOL = {
    "type": "function",
    "function": {
        "name": "weigh",
        "description": "Weighs.",
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string"}, "grams": {"type": "integer"}},
            "required": ["what"],
        },
    },
}


@pytest.fixture(params=ALL, ids=lambda served: served.name)
def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Each provider whose package is here."""
    served: Served = request.param
    if served.missing:
        pytest.skip(f"{PROVIDERS[served.name].packages[0]} is not installed")
    if variable := PROVIDERS[served.name].key_env:
        monkeypatch.setenv(variable, KEY)
    return served


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


def model_of(
    served: Served,
    server: ProviderServer,
    monkeypatch: pytest.MonkeyPatch | None = None,
    **values: Any,
) -> BaseChatModel:
    address = server.base + served.path
    own: dict[str, Any] = {"base_url": address}
    if served.name == "perplexity":
        own = {}
        assert monkeypatch is not None
        monkeypatch.setenv("PERPLEXITY_BASE_URL", address)
    return chat_model(ModelConfig(model=f"{served.name}:some-model", **{**own, **values}))


def sent(server: ProviderServer) -> str:
    """The last request as it came over the wire."""
    return str(server.wire[-1] if server.wire else server.requests[-1])


class TestCalls:
    def test_an_answer_with_its_tokens(
        self, served: Served, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = model_of(served, server, monkeypatch)
        asked = [SystemMessage("Be short."), HumanMessage("a pear")]
        reply = asyncio.run(model.ainvoke(asked))
        assert isinstance(reply, AIMessage)
        assert str(reply.text) == "You said: a pear"
        assert reply.usage_metadata
        assert reply.usage_metadata["total_tokens"] > 0
        assert model.invoke(asked).text == reply.text  # from no loop, after one that has ended
        assert [item["role"] for item in server.requests[0]["messages"]] == ["system", "user"]

    def test_a_tool_is_called_and_its_result_goes_back(
        self, served: Served, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = model_of(served, server, monkeypatch)
        bound = model.bind_tools([TOOL], tool_choice="any")
        asked: list[Any] = [HumanMessage("Weigh 'pear' of 7 grams.")]
        reply = bound.invoke(asked)
        assert [(call["name"], call["args"]) for call in reply.tool_calls] == [
            ("weigh", {"what": "pear", "grams": 7})
        ]
        if served.name != "ollama":  # knows no choice of tools
            assert server.requests[-1]["tool_choice"] not in (None, "auto")
        result = ToolMessage("7 grams", tool_call_id=reply.tool_calls[0]["id"])
        model.bind_tools([TOOL]).invoke([*asked, reply, result])
        roles = [item["role"] for item in server.requests[-1]["messages"]]
        assert roles == ["user", "assistant", "tool"]

    def test_a_turn_under_other_ids_has_its_call_once(
        self, served: Served, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = model_of(served, server, monkeypatch)
        asked: list[Any] = [HumanMessage("Weigh 'pear' of 7 grams.")]
        reply = model.bind_tools([TOOL], tool_choice="any").invoke(asked)
        call = {**reply.tool_calls[0], "id": "abcdef123"}
        turn = reply.model_copy(update={"tool_calls": [call], "additional_kwargs": {}})
        result = ToolMessage("7 grams", tool_call_id="abcdef123", name="weigh")
        model.bind_tools([TOOL]).invoke([*asked, turn, result])
        turns = [item for item in server.requests[-1]["messages"] if item["role"] == "assistant"]
        assert [len(turn["tool_calls"]) for turn in turns] == [1]

    def test_what_is_not_set_is_not_sent(
        self, served: Served, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model_of(served, server, monkeypatch).invoke("a pear")
        body = sent(server)
        for field in ("temperature", "top_p", "topP", "seed", "num_predict", "maxOutputTokens"):
            assert f"'{field}': None" in body or field not in body, field

    def test_settings_have_the_names_of_the_run_file(
        self, served: Served, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = model_of(served, server, monkeypatch, temperature=0.25, max_tokens=4321)
        seed: dict[str, Any] = {"seed": 987} if served.seed else {}
        model.invoke("a pear", top_p=0.75, **seed)
        body = sent(server)
        assert "0.25" in body
        assert "0.75" in body
        assert "4321" in body
        assert ("987" in body) == served.seed
        model.invoke("a pear", temperature=0.125, max_tokens=1234)
        assert "0.125" in sent(server)
        assert "1234" in sent(server)
        assert "4321" not in sent(server)


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "requests"),
        [("wrong_key", 1), ("bad_request", 1), ("rate_limited", 3), ("unavailable", 3)],
    )
    def test_tries_are_ours_alone(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, fault: Any, requests: int
    ) -> None:
        with ProviderServer(lambda _: failure(fault)) as server:
            model = model_of(served, server, monkeypatch, max_tries=requests)
            assert isinstance(model, ServedChat)
            quick = model.model_copy(update={"first_backoff_s": 0.0})
            with pytest.raises(ModelCallError) as failed:
                quick._join_the_endpoint().invoke("a pear")  # type: ignore[operator]
            assert len(server.requests) == requests
        words = {
            "wrong_key": "Incorrect API key provided.",
            "bad_request": "Unknown parameter: top_q.",
            "rate_limited": "Rate limit reached, slow down.",
            "unavailable": "The server is overloaded.",
        }[fault]
        assert words in failed.value.message
        assert "\n" not in failed.value.message

    def test_a_key_is_shown_nowhere(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        echo = {"message": f"no such key: {KEY}", "type": "x", "code": "x"}
        answers = scripted(Reply(content=f"It is {KEY}."), Reply(status=401, error=echo))
        with ProviderServer(answers) as server:
            model = model_of(served, server, monkeypatch)
            shown = model.invoke("a pear").text
            with pytest.raises(ModelCallError) as failed:
                model.invoke("a pear")
            if PROVIDERS[served.name].key_env:
                assert KEY not in str(shown)
                assert KEY not in failed.value.message
                assert KEY in str([dict(each.headers) for each in server.received])

    def test_a_server_that_is_not_there(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ProviderServer() as server:
            model = model_of(served, server, monkeypatch, max_tries=1)
        with raises(ModelCallError, "unreachable"):
            model.invoke("a pear")

    def test_no_key(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        if variable := PROVIDERS[served.name].key_env:
            monkeypatch.delenv(variable)
        code = {"azure": "missing_address"}.get(served.name, "missing_key")
        if served.name == "ollama":
            assert isinstance(chat_model(ModelConfig(model="ollama:m")), ServedChat)
        else:
            with raises(RequestError, code):
                chat_model(ModelConfig(model=f"{served.name}:m"))


def test_a_run_writes_records_with_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ProviderServer(Teacher()) as server:
        address = server.base + served.path
        if served.name == "perplexity":
            monkeypatch.setenv("PERPLEXITY_BASE_URL", address)
        teacher = f"model: '{served.name}:some-model'"
        teacher += "" if served.name == "perplexity" else f", base_url: '{address}'"
        run_file = tmp_path / "run.yaml"
        run_file.write_text(
            f"""\
graph: template
domain: finance
seeds: {{keywords: [loan, bond, tax]}}
teacher: {{{teacher}}}
budget: {{records: 2}}
memory: {{embedder: {fast_embedder()}}}
gate: {{min_words: 5, min_distance: 0, max_ngram_overlap: 1, max_same_opening: 9,
       min_seed_words: 0, check_language: false}}
"""
        )
        assert metasynth("run", run_file, "--out", tmp_path / "out", "--quiet") == 0
    records = corpus_of(tmp_path / "out")
    assert len({record.text for record in records}) == 2
