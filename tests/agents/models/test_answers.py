"""The cleaning of answers: thinking, special tokens, calls in text, loose arguments."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall

from metasynth.agents.conductor.tools import tool_schemas
from metasynth.agents.models.answers.cleaning import clean_answer, reasoning_of
from metasynth.agents.models.answers.forms import bare_form, bare_json
from metasynth.agents.models.answers.marks import holds_marks

TOOLS = tool_schemas(sampling=True)
TEXT = "The tide came in at noon.\n\nNobody was there to see it."
THOUGHT = "Okay, the user wants a text."

THINKING = {
    "think": f"<think>\n{THOUGHT}\n</think>\n\n{TEXT}",
    "no opening tag": f"{THOUGHT}\n</think>\n\n{TEXT}",
    "no opening tag, glued": f"Okay, the user wants a text</think>{TEXT}",
    "no opening tag, one line": f"{THOUGHT}</think> {TEXT}",
    "thinking": f"<thinking>{THOUGHT}</thinking>{TEXT}",
    "thought": f"<thought>\n{THOUGHT}</thought>\n{TEXT}",
    "reasoning": f"<reasoning>{THOUGHT}</reasoning>\n{TEXT}",
    "with an attribute": f'<think depth="2">{THOUGHT}</think>\n{TEXT}',
    "with a prefix": f"<seed:think>{THOUGHT}</seed:think>{TEXT}",
    "in capitals": f"<THINK>{THOUGHT}</THINK>{TEXT}",
    "brackets": f"[THINK]{THOUGHT}[/THINK]{TEXT}",
    "triangles": f"◁think▷{THOUGHT}◁/think▷{TEXT}",
    "Command A": f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{TEXT}"
    "<|END_RESPONSE|>",
    "OpenThinker": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>\n\n<|begin_of_solution|>{TEXT}"
    "<|end_of_solution|>",
    "Gemma": f"<|channel>thought\n{THOUGHT}<channel|>{TEXT}",
    "harmony": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final"
    f"<|message|>{TEXT}<|return|>",
    "harmony, prompted": f"{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}",
    "harmony, tokens lost": f"analysis{THOUGHT}assistantfinal{TEXT}",
    "Granite": f"Here is my thought process:\n{THOUGHT}\nHere is my response:\n{TEXT}",
    "an answer in tags": f"<think>{THOUGHT}</think>\n<answer>\n{TEXT}\n</answer>",
    "after the turn's header": f"<|im_start|>assistant\n<think>{THOUGHT}</think>{TEXT}<|im_end|>",
    "about its own marks": f"<think>{THOUGHT} A `</think>` ends it.</think>{TEXT}",
    "in two blocks": f"<think>{THOUGHT}</think>\n\n<think>More.</think>\n{TEXT}",
    "between paragraphs": "<think>{}</think>\n{}\n\n<think>More.</think>\n\n{}".format(
        THOUGHT, *TEXT.split("\n\n")
    ),
}
SPECIAL = {
    "Llama": f"{TEXT}<|eot_id|>",
    "end of sequence": f"{TEXT}</s>",
    "both ends": f"<s> {TEXT}</s>",
    "ChatML": f"{TEXT}<|im_end|>\n<|endoftext|>",
    "Gemma": f"{TEXT}<end_of_turn>\n",
    "DeepSeek": f"{TEXT}<｜end▁of▁sentence｜>",
    "llama.cpp": f"{TEXT} [end of text]",
    "unknown": f"{TEXT}<|some_new_token|>",
    "header": f"<|start_header_id|>assistant<|end_header_id|>\n\n{TEXT}<|eot_id|>",
    "next turn": f"{TEXT}<|im_end|>\n<|im_start|>user\nAnother one, please.<|im_end|>",
    "next speaker": f"{TEXT}<|endoftext|>Human: Another one, please.",
}
UNHARMED = {
    "plain": TEXT,
    "code": "In code `<think>` opens a block and `</think>` closes it.\nThen the answer comes.",
    "sentence": "The tag <think> opens a block and </think> closes it.\nThen the answer comes.",
    "closing alone": "Every block ends with </think>\nand then the answer comes.",
    "quotes": '"</think>" closes what nobody opened.',
    "fence": f"Two parts:\n\n```\n<think>\n{THOUGHT}\n</think>\n{TEXT}<|im_end|>\n```\n\nDone.",
    "xml": f'<?xml version="1.0"?>\n<log>\n<think>{THOUGHT}</think>\n</log>',
    "html": "<!doctype html>\n<html><body><p>Text</p></body></html>",
    "struck out": "<p>The price is <s>9</s> 7.</p> And <s>this</s>",
    "an element of that name": "<analysis>\n<p>All of it.</p>\n</analysis>",
    "brackets": "[1] A source.\n[2] Another one [sic]",
    "own fence": "Run it:\n\n```bash\nls\n```",
}


@pytest.mark.parametrize("name", THINKING)
def test_thinking_is_taken_off_and_kept(name: str) -> None:
    answer = clean_answer(AIMessage(THINKING[name]))
    assert [part.strip() for part in str(answer.text).split("\n\n") if part.strip()] == (
        TEXT.split("\n\n")
    )
    assert reasoning_of(answer).startswith("Okay, the user wants a text")
    assert clean_answer(answer) is answer


@pytest.mark.parametrize("text", ["<think>\n\n</think>\n\n", "<think/>", "[THINK][/THINK]"])
def test_an_empty_block_is_taken_off(text: str) -> None:
    answer = clean_answer(AIMessage(text + TEXT))
    assert (answer.text, reasoning_of(answer)) == (TEXT, "")


@pytest.mark.parametrize(
    "opening", ["<think>", "<thought>\n", "[THINK]", "<|channel|>analysis<|message|>"]
)
def test_a_block_that_never_closes_is_all_thinking(opening: str) -> None:
    answer = clean_answer(AIMessage(opening + THOUGHT))
    assert (answer.text, reasoning_of(answer)) == ("", THOUGHT)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_tokens_are_taken_off_the_ends(name: str) -> None:
    answer = clean_answer(AIMessage(SPECIAL[name]))
    assert answer.text == TEXT
    assert clean_answer(answer) is answer


@pytest.mark.parametrize("name", UNHARMED)
def test_a_text_that_speaks_of_marks_is_not_harmed(name: str) -> None:
    message = AIMessage(UNHARMED[name])
    assert clean_answer(message) is message


@pytest.mark.parametrize(
    "message",
    [
        AIMessage(TEXT, additional_kwargs={"reasoning_content": THOUGHT}),
        AIMessage(TEXT, additional_kwargs={"reasoning": THOUGHT}),
        AIMessage(
            TEXT,
            additional_kwargs={"reasoning_details": [{"type": "reasoning.text", "text": THOUGHT}]},
        ),
        AIMessage([{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": TEXT}]),
        AIMessage([{"type": "reasoning", "reasoning": THOUGHT}, {"type": "text", "text": TEXT}]),
        AIMessage(
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                {"type": "text", "text": TEXT},
            ]
        ),
    ],
)
def test_thinking_in_a_field_of_its_own_is_read_from_there(message: AIMessage) -> None:
    answer = clean_answer(message)
    assert answer is message
    assert (answer.text, reasoning_of(answer)) == (TEXT, THOUGHT)


_PIECES = ("<think>", "</think>", "<answer>", "<|im_end|>", "</s>", "<s>", "`", "```\n", "\n", " ")
_MARKED_TEXTS = st.lists(
    st.one_of(st.sampled_from(_PIECES), st.text("ab.<>|[]/", max_size=6)), max_size=14
).map("".join)


@settings(max_examples=300, deadline=None)
@given(_MARKED_TEXTS)
@example("<think>a</think><answer><think>b</think>c</answer>")
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    answer = clean_answer(AIMessage(text), tools=TOOLS)
    assert clean_answer(answer, tools=TOOLS).text == answer.text


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="<[◁◀{("), max_size=300))
def test_a_text_without_marks_comes_back_as_the_same_object(text: str) -> None:
    message = AIMessage("A: " + text)
    assert clean_answer(message) is message
    assert clean_answer(message, tools=TOOLS) is message


WANTED: dict[str, Any] = {
    "expert": "Editor",
    "instruction": 'Say "now", twice.',
    "attach": ["draft-1"],
}
J = json.dumps(WANTED)
P = 'consult(expert="Editor", instruction="Say \\"now\\", twice.", attach=["draft-1"])'
PARAMETERS = (
    "<parameter{0}expert{1}>\nEditor\n</parameter>\n"
    '<parameter{0}instruction{1}>Say "now", twice.</parameter>\n'
    '<parameter{0}attach{1}>["draft-1"]</parameter>\n'
)
CALLS = {
    "Hermes": f'<tool_call>\n{{"name": "consult", "arguments": {J}}}\n</tool_call>',
    "Hermes, a list": f'<tool_call>[{{"name": "consult", "arguments": {J}}}]</tool_call>',
    "Hermes, not closed": f'<tool_call>{{"name": "consult", "arguments": {J}}}<|im_end|>',
    "Hermes, a bracket missing": f'<tool_call>{{"name": "consult", "arguments": {J}</tool_call>',
    "bare": f'{{"name": "consult", "arguments": {J}}}',
    "Llama": f'{{"type": "function", "name": "consult", "parameters": {J}}}',
    "in talk": f'I ask the editor: {{"name": "consult", "arguments": {J}}} Then I go on.',
    "fenced": f'Sure!\n```json\n{{"name": "consult", "arguments": {J}}}\n```',
    "encoded twice": json.dumps({"name": "consult", "arguments": json.dumps(J)}),
    "by its key": f'{{"consult": {J}}}',
    "flat": json.dumps({"tool": "consult", **WANTED}),
    "single quotes": str({"name": "consult", "arguments": WANTED, "id": None}),
    "trailing comma": f'{{"name": "consult", "arguments": {J[:-1]},}},}}',
    "OpenAI's own": json.dumps(
        {"tool_calls": [{"type": "function", "function": {"name": "consult", "arguments": J}}]}
    ),
    "multi_tool_use": json.dumps(
        {"tool_uses": [{"recipient_name": "functions.consult", "parameters": WANTED}]}
    ),
    "function=": f"<function=consult>{J}</function>",
    "Qwen3-Coder": "<tool_call>\n<function=consult>\n"
    + PARAMETERS.format("=", "")
    + "</function>\n</tool_call>",
    "invoke": '<function_calls>\n<invoke name="consult">\n'
    + PARAMETERS.format(' name="', '"')
    + "</invoke>\n</function_calls>",
    "GLM": "<tool_call>consult\n<arg_key>expert</arg_key>\n<arg_value>Editor</arg_value>\n"
    '<arg_key>instruction</arg_key><arg_value>Say "now", twice.</arg_value>'
    '<arg_key>attach</arg_key><arg_value>["draft-1"]</arg_value></tool_call>',
    "python_tag": f'<|python_tag|>{{"name": "consult", "parameters": {J}}}',
    "python_tag, Python": f"<|python_tag|>{P}",
    "Mistral": f'[TOOL_CALLS][{{"name": "consult", "arguments": {J}}}]',
    "Mistral, newer": f"[TOOL_CALLS]consult[ARGS]{J}</s>",
    "Kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.consult:0"
    f"<|tool_call_argument_begin|>{J}<|tool_call_end|><|tool_calls_section_end|>",
    "DeepSeek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>consult\n"
    f"```json\n{J}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "DeepSeek, newer": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>consult<｜tool▁sep｜>{J}"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "harmony": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>"
    f"commentary to=functions.consult <|constrain|>json<|message|>{J}<|call|>",
    "Command A": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "consult", '
    f'"parameters": {J}}}]<|END_ACTION|>',
    "Granite": f'<|tool_call|>[{{"name": "consult", "arguments": {J}}}]',
    "LFM2": f"<|tool_call_start|>[{P}]<|tool_call_end|>",
    "Python": f"[{P}]",
    "Python, prefixed": f"functions.{P}",
    "Python, fenced": f"```tool_code\nprint(default_api.{P})\n```",
    "called with JSON": f"functions.consult({J})",
    "FunctionGemma": "<start_function_call>call:consult{expert:<escape>Editor<escape>,instruction:"
    '<escape>Say "now", twice.<escape>,attach:[<escape>draft-1<escape>]}<end_function_call>',
    "ReAct": f"Thought: I ask.\nAction: consult\nAction Input: {J}",
    "ReAct, JSON": f'Action:\n```json\n{{"action": "consult", "action_input": {J}}}\n```',
    "after thinking": f"<think>I could submit('x').</think>\n<function=consult>{J}</function>",
    "out of thinking": f'<think>Well\n<tool_call>{{"name":"consult","arguments":{J}}}</tool_call>',
    "in other letters": f'{{"name": "Functions.Consult", "arguments": {J}}}',
}


def called(message: AIMessage) -> list[tuple[str, Any]]:
    answer = clean_answer(message, tools=TOOLS)
    assert clean_answer(answer, tools=TOOLS) is answer
    return [(call["name"], call["args"]) for call in answer.tool_calls]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_in_the_text_is_read(name: str) -> None:
    assert called(AIMessage(CALLS[name])) == [("consult", WANTED)]


@pytest.mark.parametrize(
    "text",
    [
        f'<tool_call>{{"name": "consult", "arguments": {J}}}</tool_call>\n'
        '<tool_call>{"name": "submit", "arguments": {"draft": "draft-1"}}</tool_call>',
        f'[{P}, submit("draft-1")]',
        f'<function=consult>{J}</function>\n<function=submit>{{"draft": "draft-1"}}</function>',
        f'[{{"name":"consult","arguments":{J}}}, {{"name":"submit","arguments":"draft-1"}}]',
    ],
)
def test_several_calls_are_read_in_their_order(text: str) -> None:
    assert called(AIMessage(text)) == [("consult", WANTED), ("submit", {"draft": "draft-1"})]


@pytest.mark.parametrize(
    "text",
    [
        "I would consult (as one does) the editor, then submit it.",
        '{"name": "other", "arguments": {}}',
        '{"expert": "Editor"}',
        "Then f(x) = {x: consult}.",
    ],
)
def test_what_names_no_offered_tool_is_no_call(text: str) -> None:
    message = AIMessage(text)
    assert clean_answer(message, tools=TOOLS) is message


def test_without_tools_a_call_is_text() -> None:
    message = AIMessage(CALLS["bare"])
    assert clean_answer(message) is message


def test_a_marked_call_that_cannot_be_read_is_an_invalid_one() -> None:
    answer = clean_answer(
        AIMessage('<tool_call>{"name": "consult", "arguments": {"instruction": "Wri'), tools=TOOLS
    )
    assert not answer.tool_calls
    assert [call["name"] for call in answer.invalid_tool_calls] == ["consult"]


LOOSE: list[tuple[str, Any, Any]] = [
    ("null for an optional one", {**WANTED, "persona": None, "genre": None}, WANTED),
    ("a string for a list", {**WANTED, "attach": "draft-1"}, WANTED),
    ("JSON of a list", {**WANTED, "attach": '["draft-1"]'}, WANTED),
    ("Python's list", {**WANTED, "attach": "['draft-1']"}, WANTED),
    ("a list for a string", {**WANTED, "expert": ["Editor"]}, WANTED),
    ("objects for strings", {**WANTED, "attach": [{"ref": "draft-1"}]}, WANTED),
    ("extra", {**WANTED, "reason": "to see", "n": 1}, WANTED),
    ("other letters", {"Expert": "Editor", **{k: WANTED[k] for k in ("instruction", "attach")}},
     {"expert": "Editor", **{k: WANTED[k] for k in ("instruction", "attach")}}),
    ("wrapped", {"arguments": WANTED}, WANTED),
    ("wrapped as JSON", {"parameters": J}, WANTED),
    ("nothing to attach", {**WANTED, "attach": "none"},
     {k: WANTED[k] for k in ("expert", "instruction")}),
    ("names with commas", {**WANTED, "attach": "draft-1, seed-1"},
     {**WANTED, "attach": ["draft-1", "seed-1"]}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "wanted"), [case[1:] for case in LOOSE])
def test_loose_arguments_are_fitted(arguments: Any, wanted: Any) -> None:
    call = ToolCall(type="tool_call", id="1", name="functions.consult", args=arguments)
    assert called(AIMessage("", tool_calls=[call])) == [("consult", wanted)]


@pytest.mark.parametrize("number", ["3", 3.0, [3], "3.0"])
def test_numbers_in_other_forms_are_fitted(number: Any) -> None:
    call = ToolCall(type="tool_call", id="1", name="sample-softsrv", args={"n": number})
    assert called(AIMessage("", tool_calls=[call])) == [("sample_softsrv", {"n": 3})]


@pytest.mark.parametrize(
    "arguments",
    [json.dumps(J), J[:-1] + ",}", J[:-1], f"```json\n{J}\n```", J + "}", str(WANTED)],
)
def test_arguments_that_are_nearly_json_are_read(arguments: str) -> None:
    broken = InvalidToolCall(
        type="invalid_tool_call", id="1", name="consult", args=arguments, error="not JSON"
    )
    answer = clean_answer(AIMessage("", invalid_tool_calls=[broken]), tools=TOOLS)
    assert [call["args"] for call in answer.tool_calls] == [WANTED]
    assert not answer.invalid_tool_calls


def test_arguments_that_were_cut_in_a_word_stay_invalid() -> None:
    broken = InvalidToolCall(
        type="invalid_tool_call", id="1", name="consult", args=J[:40], error="not JSON"
    )
    message = AIMessage("", invalid_tool_calls=[broken])
    assert clean_answer(message, tools=TOOLS) is message


FORMS = [
    ("Sure! Here are the keywords:\n\nbread, oven", "keywords", "bread, oven"),
    ("```\nbread, oven\n```", "keywords", "bread, oven"),
    ("Here are 2 related keywords:\n```text\nbread, oven\n```", "keywords", "bread, oven"),
    ("**Keywords:** bread, oven", "keywords", "bread, oven"),
    ("Seed keywords: bread, oven", "keywords", "bread, oven"),
    ('Topic: "Bread prices"', "topic", "Bread prices"),
    ("Certainly! The topic label\nBread", "topic", "The topic label\nBread"),
    ("Here is the summary:\n\nA baker counts.", "summary", "A baker counts."),
    ("**Summary:**\nA baker counts.", "summary", "A baker counts."),
    ("Summary: A baker counts: two loaves.", "summary", "A baker counts: two loaves."),
    ('{"keywords": ["bread", "oven"]}', "keywords", "bread, oven"),
    ('```json\n["bread", "oven",]\n```', "keywords", "bread, oven"),
    (
        'Here is the JSON:\n{"words": [{"word": "bread"}, {"word": "oven"}]}',
        "keywords",
        "bread, oven",
    ),
    ('{"topic": " Bread prices "}', "topic", "Bread prices"),
    ('{"summary": "A baker counts.", "length": 3}', "summary", "A baker counts."),
    ("[Diary] A baker counts.", "summary", "[Diary] A baker counts."),
    ('{"question": "Who?"}', "question", '{"question": "Who?"}'),
    ("Question: Who counts?", "question", "Who counts?"),
    ("Bread is here: two loaves.", "summary", "Bread is here: two loaves."),
    (f"```markdown\n{TEXT}\n```", "draft", TEXT),
    (f"```\n{TEXT}\n```", "draft", TEXT),
    (f"Look:\n```\n{TEXT}\n```", "draft", f"Look:\n```\n{TEXT}\n```"),
    ("```python\nprint()\n```", "draft", "```python\nprint()\n```"),
    ("```\na\n```\nand\n```\nb\n```", "draft", "```\na\n```\nand\n```\nb\n```"),
    ("```markdown\nRun:\n```sh\nls\n```\nDone.\n```", "draft", "Run:\n```sh\nls\n```\nDone."),
]


@pytest.mark.parametrize(("text", "kind", "bare"), FORMS)
def test_what_stands_around_a_known_form_is_taken_off(text: str, kind: str, bare: str) -> None:
    assert bare_form(text, kind) == bare
    assert bare_form(bare, kind) == bare


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1]}',
        'Here it is:\n```json\n{"a": [1]}\n```\nI hope this helps.',
        'Sure! {"a": [1],} That is all.',
        "```\n{'a': [1]}\n```",
    ],
)
def test_json_is_found_in_prose(text: str) -> None:
    assert json.loads(bare_json(text)) == {"a": [1]}


@pytest.mark.parametrize(
    "text",
    [
        f"A beginning.\n<think>\n{THOUGHT}\n</think>\n{TEXT}",
        f"{TEXT}\n</think>\n",
        f"{TEXT}<|im_end|>\nMore.",
        f"<|channel|>analysis<|message|>{THOUGHT}",
        f"<think>{THOUGHT}",
    ],
)
def test_marks_that_are_left_are_told(text: str) -> None:
    assert holds_marks(text)


@pytest.mark.parametrize("name", sorted(set(UNHARMED) - {"xml", "an element of that name"}))
def test_marks_that_a_text_is_about_are_none(name: str) -> None:
    assert not holds_marks(UNHARMED[name])
