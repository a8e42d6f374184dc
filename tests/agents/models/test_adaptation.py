"""What is read from refusals, in the words of many servers."""

from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from metasynth.agents.conductor.tools import instruct_schemas, tool_schemas
from metasynth.agents.models.adaptation.adaptation import Adaptation
from metasynth.agents.models.received import Pieces, give_back, note
from metasynth.graphs.document.consultation import call_id, normalised
from tests.bends.requests import schemas, schemas_with, with_empty_enum

CALL = {"id": "a", "type": "function", "function": {"name": "consult", "arguments": "{}"}}
SENT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "x"},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
    ],
    "temperature": 0.3,
    "max_tokens": 9000,
    "seed": 7,
    "tools": tool_schemas(),
    "tool_choice": "required",
    "parallel_tool_calls": True,
}
SYSTEM = "the system message at the head of the first user message"
READINGS: list[tuple[int, Any, str]] = [
    (400, "max_tokens: 9000 > 8192, maximum of claude-3-5-20241022", "max_tokens at most 8192"),
    (400, "Range of max_tokens should be [1, 8192]", "max_tokens at most 8192"),
    (
        400,
        "it has a maxOutputTokens value of 9000 but the supported range is from 1 (inclusive) to "
        "8193 (exclusive)",
        "max_tokens at most 8192",
    ),
    (400, "`inputs` tokens + `max_new_tokens` must be <= 8193.", "max_tokens at most 8193"),
    (
        400,
        "maximum context length is 8192 tokens. However, you requested 9500 tokens (500 in the "
        "messages, 9000 in the completion)",
        "max_tokens at most 4096",
    ),
    (400, "maximum context length is 512 tokens, your messages resulted in 900 tokens.", ""),
    (400, "deepseek-reasoner does not support this tool_choice", "tool_choice auto"),
    (400, "Thinking may not be enabled when tool_choice forces tool use.", "tool_choice auto"),
    (400, "Invalid value: 'required'. Supported values: 'none', 'auto'.", "tool_choice auto"),
    (400, "temperature must be between 0 and 0.2", "temperature at most 0.2"),
    (400, "Seed is not supported", "without seed"),
    (400, "Argument not supported on this model: seed", "without seed"),
    (400, {"message": "no", "param": "parallel_tool_calls"}, "without parallel_tool_calls"),
    (400, {"metadata": {"raw": '{"error": {"message": "unknown: seed"}}'}}, "without seed"),
    (400, "System role not supported", SYSTEM),
    (400, "Developer instruction is not enabled for models/gemma-3", SYSTEM),
    (422, {"detail": [{"loc": ["body", "messages", 2, "reasoning_content"], "msg": "extra"}]},
     "without messages.reasoning_content"),
    (400, "messages.2.content: Input should be a valid string", "messages.content empty"),
    (400, "'consult': In context=(), 'maxItems' is not permitted.", "without tools.maxItems"),
    (400, "schema for function: 'additionalProperties' is required to be false",
     "tool schemas that allow nothing further"),
    (400, "Invalid schema for function 'consult'", "tool schemas without bounds"),
    (500, "The server had an error", ""),
    (400, "The prompt triggered our content management policy: temperature", ""),
    (400, "Unknown parameter: top_q.", ""),
    (401, "temperature", ""),
    (429, "temperature", ""),
]  # fmt: skip


def refused(status: int, body: Any) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://localhost/v1")
    response = httpx2.Response(status, request=request)
    inner = body.get("error", body) if isinstance(body, dict) else body
    return openai.APIStatusError("refused", response=response, body=inner)


@pytest.mark.parametrize(("status", "body", "change"), READINGS)
def test_a_refusal_is_answered_by_the_change_that_it_names(
    status: int, body: Any, change: str
) -> None:
    adaptation = Adaptation()
    adaptation.learn(refused(status, body), SENT, ())
    assert adaptation.adapted(SENT)[1] == change


@given(
    body=st.recursive(
        st.text(max_size=30) | st.sampled_from([*SENT, "unsupported", "9", "roles", "schema"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["message", "param", "loc", "detail", "error", "x"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
    status=st.sampled_from([400, 404, 422, 500]),
)
def test_no_refusal_breaks_the_reading_or_is_answered_for_ever(body: Any, status: int) -> None:
    adaptation, request = Adaptation(), SENT
    for _ in range(60):
        known = adaptation.changes
        if adaptation.learn(refused(status, body), request, known) is None:
            break
        request, _text = adaptation.adapted(SENT)
        assert {"model", "messages", "tools"} <= request.keys()
    else:
        raise AssertionError("it is adapted for ever")


def test_schemas_of_all_tools_are_within_what_every_known_reader_takes() -> None:
    taken = {"type", "description", "properties", "required", "items", "enum"}
    taken |= {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
    for tools in (tool_schemas(), tool_schemas(sampling=True), instruct_schemas()):
        body = {"tools": tools}
        assert not with_empty_enum(body)
        assert not schemas_with("anyOf", "default", "format", "additionalProperties")(body)
        for tool in tools:
            assert all(each.keys() <= taken for each in schemas(tool["function"]["parameters"]))


def test_ids_of_calls_are_nine_letters_or_digits_and_unlike_within_a_record() -> None:
    ids = {call_id("abc-00-00001", turn, index) for turn in range(200) for index in range(12)}
    assert len(ids) == 2400
    assert all(len(each) == 9 and each.isalnum() and each.isascii() for each in ids)


def test_what_came_in_pieces_goes_back_whole_and_to_its_endpoint_alone() -> None:
    pieces = Pieces()
    detail = {"type": "reasoning.text", "index": 0}
    pieces.add({"reasoning_content": "They ", "reasoning_details": [{**detail, "text": "a"}]})
    signed = {"index": 0, "id": "x", "extra_content": {"google": {"thought_signature": "S"}}}
    pieces.add({"reasoning_content": "want", "reasoning_details": [{**detail, "text": "b"}],
                "tool_calls": [signed]})  # fmt: skip
    message = AIMessage("", tool_calls=[{"name": "consult", "args": {}, "id": "x"}])
    note(message, pieces.fields, pieces.calls, source="here")
    history = normalised(message, "r", 1, 6)
    new_id = history.tool_calls[0]["id"]

    def wire() -> dict[str, Any]:
        return {
            "role": "assistant",
            "tool_calls": [{"id": new_id, "function": {"name": "consult"}}],
        }

    here, there = wire(), wire()
    give_back(here, history, source="here")
    give_back(there, history, source="there")
    assert there == wire()
    assert here["reasoning_content"] == "They want"
    assert here["reasoning_details"] == [{**detail, "text": "ab"}]
    assert here["tool_calls"][0]["extra_content"] == signed["extra_content"]
