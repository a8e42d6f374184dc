"""The local chat model: LangChain's own tests, seeds, batching, templates, and harmless text."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.tools import tool
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from metasynth.agents.models.local.chat import LocalChat, embedded_chat, local_chat
from metasynth.agents.models.local.chat_template import PromptRenderer, TemplateAbilities
from metasynth.agents.models.local.runtime import close_local_models
from metasynth.errors import ContextLimitError, RequestError
from metasynth.lm.load import wrap_lm
from tests.raising import raises
from tests.tiny_lm import CALLS, END, ROLES, save_tiny_lm, tiny_llama, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def models_are_closed() -> Iterator[None]:
    yield
    close_local_models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def chat(folder: Path) -> LocalChat:
    return local_chat(folder, temperature=0.7, max_tokens=60, seed=1)


class TinyModelTests:
    """What both standard suites are told about the model."""

    @pytest.fixture(autouse=True)
    def remember_folder(self, folder: Path) -> None:
        self.folder = folder

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return cast("type[BaseChatModel]", LocalChat)

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": str(self.folder), "seed": 5}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # Random weights fill every string to its bound, so an answer needs more than 100 tokens.
        return {"temperature": 0.5, "max_tokens": 1000, "stop": []}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return False  # a chat model is one set of weights


class TestStandardUnit(TinyModelTests, ChatModelUnitTests):
    """LangChain's unit tests.

    Skipped by the suite: those of keys in the environment (there are none), of serialisation (the
    class is not LangChain's own) and of overriding the model by call.
    """


understands = pytest.mark.xfail(
    strict=False, reason="wants a model that understands the question; these weights are random"
)


class TestStandardIntegration(TinyModelTests, ChatModelIntegrationTests):
    """LangChain's integration tests.

    Skipped by the suite: images, audio, PDF and Anthropic's message parts (the model reads text),
    timing by recorded traffic (there is none), overriding the model by call. What the suite asks in
    words (call this tool once, with 3) random weights cannot know: these tests may fail.
    """

    @understands
    def test_tool_calling(self, model: BaseChatModel) -> None:
        super().test_tool_calling(model)

    @understands
    async def test_tool_calling_async(self, model: BaseChatModel) -> None:
        await super().test_tool_calling_async(model)

    @understands
    def test_tool_calling_with_no_arguments(self, model: BaseChatModel) -> None:
        super().test_tool_calling_with_no_arguments(model)

    @understands
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)

    @understands
    def test_unicode_tool_call_integration(
        self, model: BaseChatModel, *, tool_choice: str | None = None, force_tool_call: bool = True
    ) -> None:
        super().test_unicode_tool_call_integration(
            model, tool_choice=tool_choice, force_tool_call=force_tool_call
        )


@tool
def consult(expert: str, attach: list[str]) -> str:
    """Ask an expert."""
    return f"{expert} {attach}"


@tool
def submit(draft: str) -> str:
    """Hand a draft in."""
    return draft


def test_the_same_seed_repeats_and_another_does_not(chat: LocalChat) -> None:
    first = chat.invoke("Write.", seed=7)
    assert chat.invoke("Write.", seed=7).content == first.content
    assert chat.invoke("Write.", seed=8).content != first.content
    assert chat.invoke("Write!", seed=7).content != first.content
    assert chat.invoke("Write.").content == chat.invoke("Write.").content  # the model's own seed


def test_without_a_seed_calls_differ(folder: Path) -> None:
    free = local_chat(folder, temperature=1.0, max_tokens=40)
    assert len({str(free.invoke("Write.").content) for _ in range(4)}) > 1


def test_temperature_zero_needs_no_seed(folder: Path) -> None:
    greedy = local_chat(folder, temperature=0.0, max_tokens=30)
    assert greedy.invoke("Write.").content == greedy.invoke("Write.").content


def test_weights_may_scale_the_temperatures_of_a_chat(folder: Path, tmp_path: Path) -> None:
    cold = shutil.copytree(folder, tmp_path / "cold")
    config = json.loads((cold / "config.json").read_text())
    (cold / "config.json").write_text(json.dumps({**config, "chat_temperature_scale": 1e-4}))
    greedy = local_chat(folder, temperature=0.0, max_tokens=12).invoke("hello").text
    for seed in (1, 2):
        assert local_chat(cold, temperature=1.0, max_tokens=12, seed=seed).invoke("hello").text == (
            greedy
        )


async def test_concurrent_calls_say_what_single_calls_say(chat: LocalChat) -> None:
    prompts = [f"Write document {number}." for number in range(20)]
    together = await asyncio.gather(*(chat.ainvoke(prompt, seed=3) for prompt in prompts))
    alone = [await chat.ainvoke(prompt, seed=3) for prompt in prompts]
    assert [message.content for message in together] == [message.content for message in alone]


async def test_concurrent_calls_share_steps(chat: LocalChat) -> None:
    bound = chat.bind_tools([submit], tool_choice="submit")
    asked = [bound.ainvoke("Write.", seed=number, max_tokens=400) for number in range(8)]
    answers = await asyncio.gather(*asked)
    assert all(len(answer.tool_calls) == 1 for answer in answers)


async def test_cancelling_a_task_leaves_the_model_usable(chat: LocalChat) -> None:
    task = asyncio.create_task(chat.bind_tools([submit], tool_choice="any").ainvoke("Go."))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await chat.ainvoke("Write.", max_tokens=3)).usage_metadata


def test_one_load_serves_all_who_name_the_model(folder: Path, chat: LocalChat) -> None:
    again = local_chat(folder, temperature=0.1)
    assert again.runtime is chat.runtime
    wider = local_chat(folder, max_batch=2)
    assert wider.runtime.lm is chat.runtime.lm


def test_an_answer_says_what_it_cost_and_how_it_ended(chat: LocalChat, folder: Path) -> None:
    answer = chat.invoke("Write.", max_tokens=2, seed=2)
    assert answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] <= 2
    assert answer.usage_metadata["input_tokens"] == len(
        chat.runtime.renderer.prompt_ids([HumanMessage("Write.")])
    )
    assert answer.response_metadata["model_name"] == str(folder)
    assert answer.response_metadata["model_provider"] == "local"
    assert answer.response_metadata["finish_reason"] in ("length", "stop")
    called = chat.bind_tools([submit], tool_choice="any").invoke("Go.", max_tokens=900)
    assert called.response_metadata["finish_reason"] == "tool_calls"


def test_a_tool_call_cut_off_is_reported_as_invalid(chat: LocalChat) -> None:
    answer = chat.bind_tools([submit], tool_choice="any").invoke("Go.", max_tokens=12)
    assert isinstance(answer, AIMessage)
    assert not answer.tool_calls
    assert len(answer.invalid_tool_calls) == 1
    assert answer.response_metadata["finish_reason"] == "length"


def test_a_stream_is_one_chunk_that_says_the_same(chat: LocalChat) -> None:
    for max_tokens in (12, 900):
        bound = chat.bind_tools([submit], tool_choice="any")
        whole = bound.invoke("Go.", max_tokens=max_tokens)
        chunks = list(bound.stream("Go.", max_tokens=max_tokens))
        assert len(chunks) == 1
        assert chunks[0].tool_calls == whole.tool_calls
        assert chunks[0].invalid_tool_calls == whole.invalid_tool_calls
        assert chunks[0].usage_metadata == whole.usage_metadata


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_structured_output_always_has_the_form(chat: LocalChat, method: Any) -> None:
    class Person(BaseModel):
        name: str
        age: int | None
        tags: list[str]

    structured = chat.with_structured_output(Person, method=method)
    for seed in range(5):
        assert isinstance(structured.invoke("Who?", seed=seed, max_tokens=2000), Person)


def test_json_mode_gives_an_object(chat: LocalChat) -> None:
    answer = chat.invoke("Go.", response_format={"type": "json_object"}, max_tokens=2000)
    assert isinstance(json.loads(str(answer.content)), dict)


def test_what_cannot_be_asked_is_refused(chat: LocalChat) -> None:
    with raises(RequestError, "tools_and_schema"):
        chat.bind_tools([submit]).invoke("Go.", response_format={"type": "json_object"})
    with raises(RequestError, "unknown_format", "response_format"):
        chat.invoke("Go.", response_format={"type": "yaml"})
    with raises(RequestError, "not_text", "'image_url'"):
        chat.invoke([HumanMessage([{"type": "image_url", "image_url": {"url": "data:,"}}])])
    with raises(RequestError, "unknown_tool", "tool_choice"):
        chat.bind_tools([submit], tool_choice="shout").invoke("Go.")


def test_the_context_limit_is_told_with_counts(chat: LocalChat) -> None:
    with raises(ContextLimitError, "context_limit", "4096") as caught:
        chat.invoke("word " * 4000)
    assert caught.value.hint
    assert "attach less" in caught.value.hint


def test_an_answer_has_the_room_that_the_prompt_leaves(chat: LocalChat) -> None:
    def asked(words: int) -> UsageMetadata:
        answer = chat.invoke("word " * words, max_tokens=1)
        used: UsageMetadata | None = answer.usage_metadata
        assert used is not None
        return used

    short, long = asked(100)["input_tokens"], asked(200)["input_tokens"]
    words = 100 + (4096 - 20 - short) * 100 // (long - short)
    answer = chat.invoke("word " * words, max_tokens=4096)
    assert answer.usage_metadata is not None
    assert 0 < 4096 - answer.usage_metadata["input_tokens"] < 40
    assert answer.usage_metadata["total_tokens"] <= 4096


def test_a_missing_model_is_told_before_anything_starts() -> None:
    with raises(RequestError, "no_model"):
        local_chat("/nowhere/at/all")


CONVERSATION: list[BaseMessage] = [
    SystemMessage("You are the Conductor.\nMuch more that a small model need not read."),
    HumanMessage(
        "Write one new document.\nSeed: …",
        additional_kwargs={
            "instruction": "Write one new document.",
            "attachments": [{"ref": "seed-1", "kind": "seed", "text": "seed-1"}],
        },
    ),
    AIMessage("", tool_calls=[{"name": "submit", "args": {"draft": "draft-1"}, "id": "1"}]),
    ToolMessage("refused draft-1: too_close\nIt is 0.05 away.", tool_call_id="1", name="submit"),
]


def test_the_template_sees_instruction_attachments_calls_and_results(chat: LocalChat) -> None:
    ids = chat.runtime.renderer.prompt_ids(CONVERSATION)
    assert chat.runtime.lm.tokenizer.decode(ids) == (
        "<|sys|>You are the Conductor.<|user|>Write one new document.<|doc|>seed: seed-1"
        '<|ai|><tool_call>{"name": "submit", "arguments": {"draft": "draft-1"}}</tool_call><|end|>'
        "<|tool|>refused draft-1: too_close<|ai|>"
    )


SPECIAL = [*ROLES, *CALLS]
hostile = st.lists(
    st.one_of(
        st.sampled_from(SPECIAL),
        st.sampled_from(["<", "<|", "<|en", "d|>", "|>", "<tool", "_call>", "\n", " ", "{{x}}"]),
        st.text(max_size=5),
    ),
    max_size=8,
).map("".join)


def controls(renderer: PromptRenderer, messages: list[BaseMessage]) -> list[int]:
    return [token for token in renderer.prompt_ids(messages) if token < len(SPECIAL)]


@given(texts=st.lists(hostile, min_size=7, max_size=7))
@settings(max_examples=150, deadline=None)
def test_no_text_becomes_a_special_token(texts: list[str], chat: LocalChat) -> None:
    def conversation(one: list[str]) -> list[BaseMessage]:
        extra = {
            "instruction": one[1],
            "attachments": [{"ref": one[2], "kind": one[2], "text": one[3]}],
        }
        call = {"name": "submit", "args": {"draft": one[5]}, "id": "1"}
        return [
            SystemMessage(one[0]),
            HumanMessage("x", additional_kwargs=extra),
            AIMessage(one[4], tool_calls=[call]),
            ToolMessage(one[6], tool_call_id="1"),
        ]

    renderer = chat.runtime.renderer
    harmless = controls(renderer, conversation(["x"] * 7))
    assert controls(renderer, conversation(texts)) == harmless
    assert len(harmless) == 9


@given(text=hostile)
@settings(max_examples=100, deadline=None)
def test_text_reaches_the_model_unchanged(text: str, chat: LocalChat) -> None:
    ids = chat.runtime.renderer.prompt_ids([HumanMessage(text)])
    assert chat.runtime.lm.tokenizer.decode(ids[1:-1]) == text


STRICT = (
    "{%- for m in messages -%}"
    "{%- if m.role not in ('user', 'assistant') -%}"
    "{{ raise_exception('no ' ~ m.role) }}{%- endif -%}"
    "{%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('roles must alternate') }}{%- endif -%}"
    "[{{ m.role }}]{{ m.content }}{%- endfor -%}[assistant]"
)
FULL = (
    "{%- if tools -%}{{ tools | tojson }}{%- endif -%}"
    "{%- for m in messages -%}[{{ m.role }}]{{ m.content }}"
    "{%- for c in m.tool_calls or [] -%}{{ c.function | tojson }}{%- endfor -%}"
    "{%- endfor -%}[assistant]"
)


def renderer_of(template: str | None) -> PromptRenderer:
    tokenizer = tiny_tokenizer(template=template)
    return PromptRenderer(wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny"))


def rendered(renderer: PromptRenderer, messages: list[BaseMessage], **options: Any) -> str:
    return str(tiny_tokenizer().decode(renderer.prompt_ids(messages, **options)))


def test_what_a_template_refuses_is_said_in_another_way() -> None:
    renderer = renderer_of(STRICT)
    assert renderer.abilities == TemplateAbilities(
        system=False, tools=False, tool_results=False, repeats=False
    )
    text = rendered(renderer, [*CONVERSATION, HumanMessage("Go on.")])
    assert text == (
        "[user]You are the Conductor.\nMuch more that a small model need not read.\n\n"
        "Write one new document.\nSeed: …"
        '[assistant]<tool_call>{"name": "submit", "arguments": {"draft": "draft-1"}}</tool_call>'
        "[user]Result of submit: refused draft-1: too_close\nIt is 0.05 away.\n\nGo on.[assistant]"
    )
    with raises(RequestError, "bad_messages", "must alternate"):
        renderer.prompt_ids([AIMessage("I begin.")])


def test_tools_go_to_the_template_or_into_the_system_message() -> None:
    offered: Any = [
        {"type": "function", "function": {"name": "submit", "parameters": {"type": "object"}}}
    ]
    full = renderer_of(FULL)
    assert full.abilities == TemplateAbilities(tools=True, tool_results=True)
    assert rendered(full, CONVERSATION[:1], tools=offered).startswith(json.dumps(offered))
    told = rendered(renderer_of(STRICT), [HumanMessage("Go.")], tools=offered)
    assert told.startswith("[user]You can call tools.")
    assert '{"name": "submit"' in told and told.endswith("\n\nGo.[assistant]")
    schema = rendered(full, CONVERSATION[:1], output_schema={"type": "object"})
    assert schema.endswith('fits this schema:\n{"type": "object"}[assistant]')


def test_a_model_without_a_template_gets_plain_lines() -> None:
    text = rendered(renderer_of(None), [SystemMessage("Be brief."), HumanMessage(f"Hi {END}")])
    assert text == f"system: Be brief.\nuser: Hi {END}\nassistant:"


def test_a_model_that_knows_our_tools_is_not_told_them(chat: LocalChat) -> None:
    offered: Any = [{"type": "function", "function": {"name": "submit", "parameters": {}}}]
    renderer = chat.runtime.renderer
    assert renderer.prompt_ids(CONVERSATION, tools=offered) == renderer.prompt_ids(CONVERSATION)


def test_the_embedded_model_answers() -> None:
    try:
        embedded = embedded_chat(max_tokens=8, seed=1)
    except RequestError as error:
        pytest.skip(str(error))
    answer = embedded.invoke(CONVERSATION)
    assert answer.response_metadata["model_name"] == "embedded"
