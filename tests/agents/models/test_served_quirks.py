"""What providers refuse, and what comes with their turns, each over HTTP in its own protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from metasynth.agents.models.adaptation.adaptation import Adaptations
from metasynth.agents.models.provider import chat_model
from metasynth.agents.models.received import carried
from metasynth.agents.models.served.chat import ServedChat
from metasynth.config.model import ModelConfig
from metasynth.errors import ModelCallError
from tests.agents.models.test_served import KEY, TOOL
from tests.bends.bend import Bend, refusal
from tests.openai_answers import Reply
from tests.raising import raises
from tests.servers.providers import ProviderServer

Json = dict[str, Any]
pytestmark = [
    pytest.mark.usefixtures("clients_of_packages"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATHS = {"mistral": "/v1", "deepseek": "/v1"}
KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
}
CHOOSING: Json = {
    "type": "function",
    "function": {
        "name": "weigh",
        "description": "Weighs.",
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string", "enum": ["pear", "plum"]}},
            "required": ["what"],
        },
    },
}
ASKED = [SystemMessage("Be short."), HumanMessage("Weigh 'pear' of 7 grams.")]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in KEYS.values():
        monkeypatch.setenv(variable, KEY)


def model_of(provider: str, server: ProviderServer, **values: Any) -> ServedChat:
    address = server.base + PATHS.get(provider, "")
    config = ModelConfig(model=f"{provider}:some-model", base_url=address, max_tries=1, **values)
    model = chat_model(config)
    assert isinstance(model, ServedChat)
    return model


def refuse_where(place: Callable[[Json], bool], words: str, status: int = 400) -> Bend:
    return Bend(words, refuse=lambda body: refusal(words, status=status) if place(body) else None)


class Case(NamedTuple):
    """A refusal, and what the request is after it."""

    provider: str
    bend: Bend
    adaptation: str
    settings: Mapping[str, Any] = MappingProxyType({})
    messages: Sequence[Any] = ASKED


def _forced(body: Json) -> bool:
    return (body.get("tool_choice") or {}).get("type") == "any"


def _roles(body: Json) -> list[str]:
    return [message["role"] for message in body["messages"]]


def _doubled(body: Json) -> bool:
    roles = _roles(body)
    return any(a == b for a, b in pairwise(roles))


CASES = {
    "Claude thinks": Case(
        "anthropic",
        refuse_where(_forced, "Thinking may not be enabled when tool_choice forces tool use."),
        "tool_choice auto",
        {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    ),
    "a temperature that Claude takes no more": Case(
        "anthropic",
        refuse_where(
            lambda body: "temperature" in body, "`temperature` is deprecated for this model."
        ),
        "without temperature",
        {"temperature": 0.25},
    ),
    "a limit above the model's": Case(
        "anthropic",
        refuse_where(
            lambda body: body["max_tokens"] > 8192,
            "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens",
        ),
        "max_tokens at most 8192",
        {"max_tokens": 64000},
    ),
    "a keyword of schemas that Gemini does not take": Case(
        "google",
        refuse_where(
            lambda body: "enum" in json.dumps(body["tools"]),
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters."
            "properties[what].enum[1]: cannot be empty",
        ),
        "without tools.enum",
    ),
    "a limit under Gemini's name": Case(
        "google",
        refuse_where(
            lambda body: (body.get("generationConfig") or {}).get("maxOutputTokens", 0) > 8192,
            "Unable to submit request because it has a maxOutputTokens value of 64000 but the "
            "supported range is from 1 (inclusive) to 8193 (exclusive).",
        ),
        "max_output_tokens at most 8192",
        {"max_tokens": 64000},
    ),
    "Mistral wants roles in turn": Case(
        "mistral",
        refuse_where(_doubled, "Conversation roles must alternate user/assistant/user/assistant"),
        "messages of one side in a row as one",
        messages=[*ASKED, HumanMessage("Call the tool.")],
    ),
    "no system role": Case(
        "mistral",
        refuse_where(lambda body: "system" in _roles(body), "System role not supported"),
        "the system message at the head of the first user message",
    ),
    "a seed under Mistral's name": Case(
        "mistral",
        refuse_where(
            lambda body: "random_seed" in body, "random_seed: Extra inputs are not permitted", 422
        ),
        "without random_seed",
    ),
    "a limit under its new name": Case(
        "deepseek",
        refuse_where(
            lambda body: "max_tokens" in body,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
        ),
        "max_tokens as max_completion_tokens",
        {"max_tokens": 99},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_by_name_is_changed_once(name: str) -> None:
    case = CASES[name]
    lines: list[str] = []
    with ProviderServer(bends=[case.bend]) as server:
        model = model_of(case.provider, server, **case.settings)
        model.adapt_with(Adaptations(tell=lines.append))
        bound = model.bind_tools([CHOOSING], tool_choice="any")
        seed: dict[str, Any] = {} if case.provider == "anthropic" else {"seed": 7}
        reply = bound.invoke(list(case.messages), **seed)
        assert [call["name"] for call in reply.tool_calls] == ["weigh"]
        assert reply.response_metadata["adaptation"] == case.adaptation
        assert len(server.requests) == 2
        bound.invoke(list(case.messages), **seed)
        assert len(server.requests) == 3
    assert len(lines) == 1
    assert lines[0].endswith(case.adaptation)


def test_a_refusal_that_names_nothing_ends_the_call() -> None:
    bend = refuse_where(lambda _: True, "messages: text content blocks must be non-empty")
    with ProviderServer(bends=[bend]) as server:
        with raises(ModelCallError, "request_refused", "non-empty"):
            model_of("anthropic", server).invoke(ASKED)
        assert len(server.requests) == 1


def test_keys_of_the_run_file() -> None:
    with ProviderServer() as server:
        free = model_of("mistral", server, tool_choice="auto", system_role=False)
        free.bind_tools([TOOL], tool_choice="any").invoke(ASKED)
        assert server.requests[-1]["tool_choice"] == "auto"
        assert _roles(server.requests[-1]) == ["user"]
        none = model_of(
            "mistral", server, tool_choice=None, token_limit_field="limit", max_tokens=9
        )
        none.bind_tools([TOOL], tool_choice="any").invoke(ASKED)
        assert "tool_choice" not in server.requests[-1]
        assert server.requests[-1]["limit"] == 9


def test_a_turn_without_words_goes_back_with_some() -> None:
    for provider in ("anthropic", "google", "mistral"):
        with ProviderServer() as server:
            model_of(provider, server).invoke([*ASKED, AIMessage(""), HumanMessage("Go on.")])
            turns = [m for m in server.requests[-1]["messages"] if m["role"] == "assistant"]
            assert [turn["content"] for turn in turns] == ["(no answer)"], provider


def second_turn(provider: str, server: ProviderServer, source: ServedChat | None = None) -> Json:
    """The body of a second request, which the first answer is part of, under other ids."""
    model = model_of(provider, server)
    reply = (source or model).bind_tools([TOOL], tool_choice="any").invoke(ASKED)
    ids = {str(call["id"]): f"abcdef12{index}" for index, call in enumerate(reply.tool_calls)}
    turn = AIMessage(
        content=str(reply.text),
        tool_calls=[{**call, "id": ids[str(call["id"])]} for call in reply.tool_calls],
        additional_kwargs=carried(reply, ids),
    )
    results = [
        ToolMessage("7 grams", tool_call_id=str(call["id"]), name="weigh")
        for call in turn.tool_calls
    ]
    model.bind_tools([TOOL]).invoke([*ASKED, turn, *results])
    return server.wire[-1] if server.wire else server.requests[-1]


THOUGHT = {"type": "thinking", "thinking": "A pear is light.", "signature": "c2lnbmVk"}


def _thinks_first(_: Json, answer: Json) -> Json:
    return answer | {"content": [THOUGHT, *answer["content"]]}


def _signs(_: Json, answer: Json) -> Json:
    for part in answer["candidates"][0]["content"]["parts"]:
        if "functionCall" in part:
            part["thoughtSignature"] = "c2lnbmVk"
    return answer


def _reasons(_: Json, answer: Json) -> Json:
    answer["choices"][0]["message"]["reasoning_content"] = "A pear is light."
    return answer


def test_thinking_of_claude_goes_back_with_its_signature() -> None:
    with ProviderServer(bends=[Bend("thinks", change=_thinks_first)]) as server:
        body = second_turn("anthropic", server)
    turn = next(message for message in body["messages"] if message["role"] == "assistant")
    assert turn["content"][0] == THOUGHT
    assert [block["type"] for block in turn["content"]] == ["thinking", "tool_use"]
    assert turn["content"][1]["id"] == "abcdef120"


def test_signatures_of_gemini_go_back_with_their_calls() -> None:
    with ProviderServer(bends=[Bend("signs", change=_signs)]) as server:
        body = second_turn("google", server)
    turn = next(item for item in body["contents"] if item["role"] == "model")
    calls = [part for part in turn["parts"] if "functionCall" in part]
    assert [part["thoughtSignature"] for part in calls] == ["c2lnbmVk"]


def test_reasoning_of_deepseek_goes_back() -> None:
    with ProviderServer(bends=[Bend("reasons", change=_reasons)]) as server:
        body = second_turn("deepseek", server)
    turn = next(message for message in body["messages"] if message["role"] == "assistant")
    assert turn["reasoning_content"] == "A pear is light."


def test_what_one_endpoint_sent_no_other_gets() -> None:
    bends = [Bend("thinks", change=_thinks_first)]
    with ProviderServer(bends=bends) as other, ProviderServer() as server:
        body = second_turn("anthropic", server, source=model_of("anthropic", other))
    assert "A pear is light." not in json.dumps(body)


def test_an_error_inside_an_answer_is_judged_by_its_code() -> None:
    def breaks(_: Json, answer: Json) -> Json:
        error = {"code": 403, "message": "Your account may not use this provider."}
        answer["choices"][0] |= {"finish_reason": "error", "error": error}
        return answer

    with ProviderServer(lambda _: Reply(content="So"), bends=[Bend("x", change=breaks)]) as server:
        with raises(ModelCallError, "forbidden"):
            model_of("deepseek", server).invoke(ASKED)
        assert len(server.requests) == 1
