"""Grammars: what a model with random weights says is valid against the schema, whatever it is."""

import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metasynth.agents.models.local.bounded_schema import bounded_schema
from metasynth.agents.models.local.grammar import (
    CallMarkers,
    GrammarCompiler,
    json_grammar,
    tools_grammar,
)
from metasynth.agents.models.local.reply import read_reply
from metasynth.errors import RequestError
from metasynth.lm.engine.requests import Generation
from metasynth.lm.load import wrap_lm
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer

MAX_TOKENS = 6000
TOKENIZERS = {True: tiny_tokenizer(), False: tiny_tokenizer(calls_are_special=False)}
COMPILERS = {
    special: GrammarCompiler(wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny"))
    for special, tokenizer in TOKENIZERS.items()
}
LENIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def say(grammar: str, seed: int, *, special: bool = True, max_tokens: int = MAX_TOKENS) -> Any:
    """What a model that finds all tokens equally likely says (end tokens a little likelier)."""
    constraint = COMPILERS[special].constraint(grammar)
    tokenizer, draw = TOKENIZERS[special], random.Random(seed)
    end = tokenizer.eos_token_id
    ids: list[int] = []
    reason: Any = "length"
    while len(ids) < max_tokens:
        allowed = np.flatnonzero(constraint.allowed())
        token = end if end in allowed and draw.random() < 0.1 else int(draw.choice(allowed))
        if token == end:
            reason = "stop"
            break
        ids.append(token)
        constraint.accept(token)
        if constraint.is_finished():
            reason = "stop"
            break
    text = str(tokenizer.decode(ids, skip_special_tokens=True))
    return Generation(tuple(ids), text, reason, 1, len(ids))


def answer(grammar: str, seed: int, *, special: bool = True, max_tokens: int = MAX_TOKENS) -> Any:
    tokenizer = TOKENIZERS[special]
    return read_reply(
        say(grammar, seed, special=special, max_tokens=max_tokens),
        tokenizer,
        CallMarkers.of(tokenizer),
        tools_offered=True,
        call_id="call",
    )


names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
scalars = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 3),
        st.integers(0, 12),
    ),
    st.just({"type": "string"}),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-500, 500),
        st.integers(0, 500),
    ),
    st.sampled_from(
        [
            {"type": "integer"},
            {"type": "number"},
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"], "description": "either"},
            {"type": "string", "format": "date"},
            {"type": "string", "format": "email"},
            {"type": "string", "pattern": "^[a-z]+-[0-9]{2}$"},
            {"const": "fixed"},
            {"title": "anything"},
        ]
    ),
    st.builds(
        lambda values: {"enum": values}, st.lists(st.text(max_size=6), min_size=1, max_size=4)
    ),
)


def arrays(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda item, least: {"type": "array", "items": item, "minItems": least, "maxItems": 3},
        items,
        st.integers(0, 2),
    )


@st.composite
def objects(draw: st.DrawFn, values: Any = scalars) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, values, max_size=4))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required}


maps = st.builds(
    lambda value: {"type": "object", "additionalProperties": value, "maxProperties": 2}, scalars
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        arrays(inner),
        objects(inner),
        maps,
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, inner),
    ),
    max_leaves=5,
)


@given(schema=anything, seed=st.integers(0, 10**6))
@LENIENT
def test_json_always_fits_its_schema(schema: dict[str, Any], seed: int) -> None:
    said = say(json_grammar(schema, max_string=30), seed)
    assert said.finish_reason == "stop"
    value = json.loads(said.text)
    jsonschema.validate(value, schema)


@given(
    parameters=st.lists(objects(anything), min_size=1, max_size=3),
    choice=st.sampled_from(["any", "required", "tool_0"]),
    parallel=st.booleans(),
    special=st.booleans(),
    seed=st.integers(0, 10**6),
)
@LENIENT
def test_forced_tool_calls_always_fit_their_schema(
    parameters: list[dict[str, Any]], choice: str, parallel: bool, special: bool, seed: int
) -> None:
    tools = [tool(f"tool_{n}", schema) for n, schema in enumerate(parameters)]
    markers = CallMarkers.of(TOKENIZERS[special])
    assert markers.are_special is special
    grammar = tools_grammar(
        tools, tool_choice=choice, parallel=parallel, markers=markers, max_string=20
    )
    assert grammar
    message = answer(grammar, seed, special=special)
    assert message.content == ""
    assert not message.invalid_tool_calls
    assert 1 <= len(message.tool_calls) <= (8 if parallel and choice != "tool_0" else 1)
    for call in message.tool_calls:
        assert choice != "tool_0" or call["name"] == "tool_0"
        jsonschema.validate(call["args"], parameters[int(call["name"].removeprefix("tool_"))])


def tool(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": "A tool.", "parameters": parameters},
    }


ECHO = tool(
    "echo",
    {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 9}, "times": {"type": "integer"}},
        "required": ["text", "times"],
    },
)


@pytest.mark.parametrize("special", [True, False])
def test_free_choice_allows_text_and_calls_but_no_broken_call(special: bool) -> None:
    markers = CallMarkers.of(TOKENIZERS[special])
    grammar = tools_grammar([ECHO], markers=markers)
    assert grammar
    for seed in range(40):
        message = answer(grammar, seed, special=special)
        assert not message.invalid_tool_calls
        for call in message.tool_calls:
            jsonschema.validate(call["args"], ECHO["function"]["parameters"])
    constraint = COMPILERS[special].constraint(grammar)
    said = 'First <b>some</b> text.\n<tool_call>{"name": "echo", "arguments": {"text": "a",'
    for token in TOKENIZERS[special](said).input_ids:
        assert constraint.allowed()[token]
        constraint.accept(token)
    key = TOKENIZERS[special](' "times').input_ids[0]
    assert constraint.allowed()[key]
    assert not constraint.allowed()[TOKENIZERS[special].eos_token_id]


def test_free_choice_does_call_where_the_marker_is_a_token() -> None:
    grammar = tools_grammar([ECHO], markers=CallMarkers.of(TOKENIZERS[True]))
    assert grammar
    messages = [answer(grammar, seed) for seed in range(60)]
    assert any(message.tool_calls for message in messages)
    assert any(message.content for message in messages)


def test_calls_in_plain_text_may_stand_on_lines_of_their_own() -> None:
    grammar = tools_grammar([ECHO], tool_choice="any", parallel=False)
    assert grammar
    tokenizer = TOKENIZERS[False]
    constraint = COMPILERS[False].constraint(grammar)
    body = json.dumps({"name": "echo", "arguments": {"text": "</tool_call>"[:9], "times": -3}})
    text = f"<tool_call>\n{body}\n</tool_call>"
    ids = tokenizer(text).input_ids
    for token in ids:
        assert constraint.allowed()[token]
        constraint.accept(token)
    assert constraint.is_finished()
    said = Generation(tuple(ids), text, "stop", 1, len(ids))
    read = read_reply(said, tokenizer, CallMarkers(), tools_offered=True, call_id="c")
    assert read.tool_calls[0]["args"] == {"text": "</tool_ca", "times": -3}


def test_separators_and_the_order_of_keys_are_those_of_json_dumps() -> None:
    grammar = tools_grammar([ECHO], tool_choice="any", parallel=False, markers=CallMarkers(7, 8))
    assert grammar
    for seed in range(5):
        said = say(grammar, seed)
        body = json.loads(said.text)
        assert said.text == json.dumps(body, ensure_ascii=False)
        assert list(body["arguments"]) == ["text", "times"]


def test_a_call_cut_off_by_the_token_limit_is_invalid() -> None:
    grammar = tools_grammar([ECHO], tool_choice="any", markers=CallMarkers(7, 8))
    assert grammar
    message = answer(grammar, 1, max_tokens=20)
    assert not message.tool_calls
    assert message.invalid_tool_calls[0]["args"].startswith('{"name": "ec')
    assert "cut off" in message.invalid_tool_calls[0]["error"]


def test_no_tools_and_no_choice_bind_nothing() -> None:
    assert tools_grammar([]) is None
    assert tools_grammar([ECHO], tool_choice="none") is None


def test_a_choice_that_names_no_tool_is_refused() -> None:
    with raises(RequestError, "unknown_tool", "'shout'") as caught:
        tools_grammar([ECHO], tool_choice="shout")
    assert caught.value.hint == "tools: echo"


def test_a_keyword_that_cannot_be_enforced_is_refused_by_name() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    with raises(RequestError, "unsupported_schema", "uniqueItems"):
        COMPILERS[True].constraint(json_grammar(schema))


def test_references_are_kept() -> None:
    schema = {
        "$defs": {"leaf": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "type": "object",
        "properties": {
            "leaves": {"type": "array", "items": {"$ref": "#/$defs/leaf"}, "maxItems": 2},
            "one": {"allOf": [{"$ref": "#/$defs/leaf"}], "description": "as pydantic writes it"},
        },
        "required": ["leaves", "one"],
    }
    for seed in range(5):
        value = json.loads(say(json_grammar(schema), seed).text)
        assert all(set(leaf) <= {"n"} for leaf in [*value["leaves"], value["one"]])


def test_bounding_leaves_the_schema_alone_and_keeps_bounds_that_are_there() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 5000}}}
    before = json.dumps(schema)
    bounded = bounded_schema(schema, max_string=10)
    assert json.dumps(schema) == before
    assert bounded["properties"]["a"] == {"type": "string", "maxLength": 5000}
    assert bounded_schema({"type": "string"}, max_string=10)["maxLength"] == 10


def test_a_grammar_is_compiled_once() -> None:
    grammar = json_grammar({"type": "boolean"})
    first, second = (COMPILERS[True].constraint(grammar) for _ in range(2))
    for token in TOKENIZERS[True]("true").input_ids:
        first.accept(token)
    assert first.is_finished()
    assert not second.is_finished()
