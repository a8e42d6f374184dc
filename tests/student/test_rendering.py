"""From rows to tokens: templates respected, prompts not counted, ends counted once."""

from typing import Any

import pytest
import torch

from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRowError, make_row
from tests.tiny_lm import END, TEMPLATE, tiny_llama, tiny_tokenizer
from tests.toy_student import bigram_lm

PAIR = {"prompt": "a b", "completion": "c d"}
CHATML = """
{%- for m in messages -%}<|user|>{{ m.role }} {{ m.content }}<|end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|user|>assistant {% endif -%}
"""
NO_SYSTEM = """
{%- if messages[0].role == 'system' -%}{{ raise_exception('no system role') }}{%- endif -%}
{%- for m in messages -%}<|user|>{{ m.content }}{%- endfor -%}
{%- if add_generation_prompt -%}<|ai|>{%- endif -%}
"""


def toy(**options: Any) -> Renderer:
    return Renderer(bigram_lm(torch.zeros(6, 6), **options))


def tiny(template: str | None) -> tuple[Renderer, LoadedLM]:
    tokenizer = tiny_tokenizer(template=template)
    lm = wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny")
    return Renderer(lm), lm


def shown(lm: LoadedLM, ids: Any) -> str:
    return str(lm.tokenizer.decode(list(ids)))


def targets(lm: LoadedLM, encoded: Any) -> str:
    chosen = [i for i, flag in zip(encoded.ids, encoded.is_target, strict=True) if flag]
    return shown(lm, chosen)


def test_without_a_template_prompt_and_answer_are_joined_and_the_answer_counts() -> None:
    found = toy().encode(make_row(PAIR))
    assert list(found.ids) == [2, 3, 4, 5, 0]  # a b c d <end>
    assert list(found.is_target) == [False, False, True, True, True]


def test_with_loss_on_all_everything_counts_that_something_stands_before() -> None:
    found = toy().encode(make_row(PAIR), loss_on="all")
    assert list(found.is_target) == [False, True, True, True, True]
    found = toy(bos="<start>").encode(make_row(PAIR), loss_on="all")
    assert list(found.ids) == [1, 2, 3, 4, 5, 0]
    assert list(found.is_target) == [False] + [True] * 5


def test_a_text_counts_from_its_first_token_if_there_is_a_start_token() -> None:
    assert list(toy().encode(make_row({"text": "a b"})).is_target) == [False, True, True]
    found = toy(bos="<start>").encode(make_row({"text": "a b"}))
    assert (list(found.ids), list(found.is_target)) == ([1, 2, 3, 0], [False, True, True, True])


def test_turns_are_parted_where_neither_brings_white_space() -> None:
    renderer, lm = tiny(None)
    joined = renderer.encode(make_row({"prompt": "2+2=", "completion": "4"}))
    assert shown(lm, joined.ids) == f"2+2=\n4{END}"
    assert targets(lm, joined) == f"4{END}"
    spaced = make_row({"prompt": "2+2=", "completion": " 4"})
    assert shown(lm, renderer.encode(spaced).ids) == f"2+2= 4{END}"
    assert shown(lm, renderer.prompt_ids(spaced)) == "2+2="
    assert shown(lm, renderer.prompt_ids(make_row({"prompt": "2+2=\n"}))) == "2+2=\n"


def test_the_prompt_of_a_given_answer_is_what_an_own_answer_follows() -> None:
    for template in (None, TEMPLATE, CHATML):
        renderer, _ = tiny(template)
        row = make_row({"prompt": "one and one?", "completion": "two"})
        encoded = renderer.encode(row)
        prompt = renderer.prompt_ids(row)
        assert list(encoded.ids[: len(prompt)]) == prompt
        assert list(encoded.is_target) == [n >= len(prompt) for n in range(len(encoded.ids))]


def test_a_chat_template_is_respected_and_nothing_counts_behind_the_end() -> None:
    renderer, lm = tiny(CHATML)
    found = renderer.encode(make_row(PAIR))
    text = "<|user|>user a b<|end|>\n<|user|>assistant c d<|end|>"
    assert shown(lm, found.ids) == text  # without the line break that the template writes last
    assert targets(lm, found) == "c d<|end|>"


def test_an_answer_ends_even_where_the_template_writes_no_end() -> None:
    renderer, lm = tiny(NO_SYSTEM.replace("<|user|>{{ m.content }}", "<|ai|>{{ m.content }}"))
    assert targets(lm, renderer.encode(make_row(PAIR))).endswith(END)


def test_a_template_that_renders_answered_turns_otherwise_still_gives_the_answer() -> None:
    renderer, lm = tiny(CHATML.replace("assistant {%", "assistant, think: {%"))
    found = renderer.encode(make_row(PAIR))
    assert shown(lm, found.ids).endswith(f"assistant, think: c d{END}")
    assert targets(lm, found) == f"c d{END}"


def test_a_system_message_goes_to_the_user_where_the_template_takes_none() -> None:
    renderer, lm = tiny(NO_SYSTEM)
    row = make_row(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Why?"},
            ]
        }
    )
    assert shown(lm, renderer.prompt_ids(row)) == "<|user|>Be brief.\n\nWhy?<|ai|>"


def test_no_text_becomes_a_special_token() -> None:
    for template in (None, TEMPLATE, CHATML):
        renderer, lm = tiny(template)
        row = make_row({"prompt": f"a{END}b", "completion": f"c{END}<|ai|>d"})
        found = renderer.encode(row)
        end = lm.tokenizer.eos_token_id
        inside = [i for i, flag in zip(found.ids, found.is_target, strict=True) if flag]
        assert inside.count(end) == 1 and inside[-1] == end
        assert targets(lm, found) == f"c{END}<|ai|>d{END}"
    renderer, lm = tiny(None)
    assert list(renderer.encode(make_row({"text": f"x{END}"})).ids).count(1) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"prompt": "a"}, "no answer: neither"),
        ({"prompt": "a", "completion": ""}, "empty answer"),
        ({"prompt": "a", "completion": " \n"}, "empty answer"),
        ({"text": " "}, "empty text"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "an answer without a prompt"),
        ({"prompt": "a", "completion": "b " * 40}, "longer than the context: 42 tokens, .* 32"),
    ],
)
def test_a_row_that_cannot_be_scored_says_why(value: Any, reason: str) -> None:
    with pytest.raises(BadRowError, match=reason):
        toy().encode(make_row(value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"text": "a"}, "no prompt"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "no prompt"),
        ({"prompt": " "}, "empty prompt"),
        ({"prompt": "a " * 32}, "longer than the context: 33 tokens, the model reads 32"),
    ],
)
def test_a_row_that_cannot_be_answered_says_why(value: Any, reason: str) -> None:
    with pytest.raises(BadRowError, match=reason):
        toy().prompt_ids(make_row(value))


def test_a_prompt_may_fill_the_context_up_to_one_token() -> None:
    assert len(toy().prompt_ids(make_row({"prompt": "a " * 31}))) == 31


def test_a_template_that_refuses_is_told_as_the_rows_fault() -> None:
    renderer, _ = tiny("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(BadRowError, match="template refuses it: roles must alternate"):
        renderer.prompt_ids(make_row(PAIR))


def test_with_and_without_a_prompt_the_same_tokens_count() -> None:
    given, alone = toy().encode_with_and_without(make_row(PAIR))
    assert (list(given.ids), list(alone.ids)) == ([2, 3, 4, 5, 0], [4, 5, 0])
    assert list(given.is_target) == [False, False, False, True, True]
    assert list(alone.is_target) == [False, True, True]
    given, alone = toy(bos="<start>").encode_with_and_without(make_row(PAIR))
    assert list(alone.ids) == [1, 4, 5, 0]
    assert given.targets == alone.targets == 3
    with pytest.raises(BadRowError, match="no prompt"):
        toy().encode_with_and_without(make_row({"text": "a b"}))
