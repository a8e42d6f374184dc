"""What endpoints answer when they cannot or will not: each in one line with a code, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from metasynth.agents.models.delays import duration_s, wait_asked_s
from metasynth.agents.models.errors import judge
from metasynth.agents.models.evidence import Evidence, evidence_of
from metasynth.agents.models.openai.chat import OpenAIChat
from metasynth.errors import ModelCallError
from tests.bends.bend import Bend
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, scripted
from tests.raising import raises

HTML = {"Content-Type": "text/html"}
PAGE = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>x</body></html>"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def model_of(server: OpenAIServer) -> OpenAIChat:
    return OpenAIChat(
        model="m",
        base_url=server.base_url,
        api_key=SecretStr("a key"),
        max_tries=4,
        first_backoff_s=0.001,
    )


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status=status, raw_body=text, headers=headers or {})


def says(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


GEMINI = "You exceeded your current quota, please check your plan and billing details."
ENDS: dict[str, tuple[Reply, str, int, str]] = {
    "a page with 200": (Reply(raw_body=PAGE), "no_api", 1, "Welcome to nginx!"),
    "a text with 200": (Reply(raw_body="Ollama is running"), "no_api", 1, "Ollama is running"),
    "a page with 404": (refused(404, PAGE, HTML), "no_api", 1, "got HTML from http://127.0.0.1"),
    "a gateway's page": (refused(502, PAGE, HTML), "no_answer", 4, "Welcome to nginx!"),
    "a redirect": (
        Reply(status=308, error={}, headers={"Location": "https://u:pw@new.example/v1/x?key=1"}),
        "redirected",
        1,
        "https://new.example/v1/x (308)",
    ),
    "no quota and no word of when": (refused(429, [says(GEMINI)]), "no_quota", 1, GEMINI),
    "no credits": (refused(402, says("Insufficient credits")), "no_quota", 1, "credits"),
    "a delay of a day": (
        refused(429, says("Daily limit reached, try again in 23h59m1s")),
        "wait_too_long",
        1,
        "24.0 hours",
    ),
    "a policy": (
        refused(404, says("No endpoints found matching your data policy.")),
        "not_found",
        1,
        "matching your data policy",
    ),
    "a flag": (
        refused(500, says("tools param requires --jinja flag", code=500)),
        "server_fault",
        2,
        "requires --jinja flag",
    ),
    "a template": (
        refused(500, says("Value is not callable: null at row 1, column 77")),
        "server_fault",
        2,
        "Value is not callable",
    ),
    "not implemented": (refused(501, says("needs --jinja")), "server_fault", 1, "--jinja"),
    "400 inside 500": (
        refused(500, says("bad thing", type="invalid_request_error")),
        "server_fault",
        2,
        "bad thing",
    ),
    "a passing fault that stays": (
        refused(500, says("Internal error")),
        "no_answer",
        4,
        "Internal",
    ),
    "401 with 200": (
        Reply(raw_body=json.dumps(says("No auth", code=401))),
        "wrong_key",
        1,
        "No auth",
    ),
    "detail": (
        refused(422, {"detail": [{"msg": "Field required"}]}),
        "request_refused",
        1,
        "Field",
    ),
    "words of who is behind": (
        refused(400, says("Provider returned error", metadata={"raw": '{"message": "too hot"}'})),
        "request_refused",
        1,
        "too hot",
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_failure_is_told_with_the_servers_words(server: OpenAIServer, name: str) -> None:
    reply, code, tries, words = ENDS[name]
    server.responder = lambda _: reply
    with raises(ModelCallError, code) as raised:
        await model_of(server).ainvoke("hello")
    assert words in raised.value.message and "\n" not in raised.value.message
    assert "pw" not in raised.value.message and "key=1" not in raised.value.message
    assert raised.value.hint
    assert len(server.requests) == tries


PASSES: dict[str, Reply] = {
    "quota words and a delay in the body": refused(
        429,
        [says(GEMINI, status="RESOURCE_EXHAUSTED", details=[{"retryDelay": "0.02s"}])],
    ),
    "quota words and a delay in words": refused(429, says(f"{GEMINI} Please retry in 20ms.")),
    "429 with 200": Reply(raw_body=json.dumps(says("slow", code=429, retry_after=0.02))),
    "an overload with 200": Reply(raw_body=json.dumps(says("later", code=503))),
    "502": refused(502, PAGE, HTML),
}


@pytest.mark.parametrize("name", PASSES)
async def test_what_passes_is_tried_again(server: OpenAIServer, name: str) -> None:
    server.responder = scripted(PASSES[name], "at last")
    assert (await model_of(server).ainvoke("hello")).content == "at last"


async def test_a_model_that_is_offered_is_not_said_to_be_missing() -> None:
    with OpenAIServer(lambda _: refused(404, says("No endpoints support tool use."))) as server:
        server.models = ("m",)
        with raises(ModelCallError, "request_refused") as raised:
            await model_of(server).ainvoke("hello")
    assert "No endpoints support tool use." in raised.value.message
    assert "offers" not in raised.value.message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("37s", 37),
        ("6m0s", 360),
        ("350ms", 0.35),
        ("1 hour and 5 minutes", 3900),
        ("2 days", 172800),
        ("soon", None),
        ("5 apples", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


NOW = 1_764_547_200.0  # 2025-12-01T00:00:00Z
WAITS: list[tuple[dict[str, str], Any, float | None]] = [
    ({}, says("Rate limit reached. Please try again in 20s. Visit us"), 20),
    ({}, says("Please try again in 6m0s"), 360),
    ({}, says("retry after 3 seconds"), 3),
    ({}, says("Retry after 30."), 30),
    ({}, says("You must wait 5 minutes"), 300),
    ({}, says("Quota resets at 2025-12-01T01:00:00Z"), 3600),
    ({}, {"error": {"details": [{"retryDelay": {"seconds": 7}}]}}, 7),
    ({}, {"retry_after_ms": 1500}, 1.5),
    ({"retry-after": "4"}, says("try again in 9s"), 4),
    ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "5"}, {}, 1),
    (
        {
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-tokens": "6m0s",
            "x-ratelimit-remaining-tokens": "0",
        },
        {},
        360,
    ),
    ({"anthropic-ratelimit-requests-reset": "2025-12-01T00:01:00Z"}, {}, 60),
    ({}, says("x", metadata={"headers": {"X-RateLimit-Reset": "1764547260000"}}), 60),
    ({}, says("You have 20 requests per minute"), None),
]


@pytest.mark.parametrize(("headers", "body", "seconds"), WAITS)
def test_when_to_come_back(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    evidence = Evidence(status=429, headers=headers, body=body)
    assert wait_asked_s(evidence, now=NOW) == seconds


class ForeignError(Exception):
    """As Google's, Cohere's and Ollama's packages have them."""

    def __init__(self, **carried: Any) -> None:
        super().__init__("failed")
        self.__dict__ |= carried


@pytest.mark.parametrize(
    ("carried", "kind"),
    [
        ({"code": 429, "details": [{"retryDelay": "3s"}]}, "refused"),
        ({"status_code": 401, "body": {"message": "bad key"}}, "final"),
        (
            {"response": {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {}}},
            "refused",
        ),
        ({"status_code": 503}, "overloaded"),
    ],
)
def test_exceptions_of_other_packages_are_judged_alike(carried: Any, kind: str) -> None:
    try:
        raise ValueError("wrapped") from ForeignError(**carried)
    except ValueError as error:
        assert judge(error).kind == kind


def test_a_defect_is_no_failure_of_an_endpoint() -> None:
    with pytest.raises(ZeroDivisionError):
        judge(ZeroDivisionError())
    assert evidence_of(ZeroDivisionError()).status is None


def test_a_page_instead_of_a_stream() -> None:
    with OpenAIServer(scripted(Reply(raw_body=PAGE))) as server:
        with raises(ModelCallError, "no_api"):
            list(model_of(server).stream("a pear"))
        assert len(server.requests) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("error", "code", "requests"),
    [
        ({"code": 403, "message": "Not allowed at the provider."}, "forbidden", 1),
        ({"code": 502, "message": "Provider disconnected."}, "no_answer", 4),
        (None, "no_answer", 4),
    ],
)
def test_an_error_inside_a_choice(
    error: dict[str, Any] | None, code: str, requests: int, *, streamed: bool
) -> None:
    def broken(_: Any, completion: dict[str, Any]) -> dict[str, Any]:
        choice = completion["choices"][0] | {"finish_reason": "error"}
        choice["message"] = {"role": "assistant", "content": ""}
        return completion | {"choices": [choice | ({"error": error} if error else {})]}

    with OpenAIServer(bends=[Bend("a router's error", change=broken)]) as server:
        model = model_of(server)
        with raises(ModelCallError, code):
            list(model.stream("a pear")) if streamed else model.invoke("a pear")
        assert len(server.requests) == requests
