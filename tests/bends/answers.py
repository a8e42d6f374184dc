"""Answers as real endpoints give them: thinking, special tokens, calls as text, odd counts.

A bend changes what the test server's responder says in the way in which some model or server does;
a run must end in the record that it would have written without.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bends.bend import Bend, Json

THOUGHT = "Okay, the user wants me to write something. Let me think."
_Call = tuple[str, Json]


def of_message(change: Callable[[Json], None]) -> Callable[[Json, Json], Json]:
    """A change of the assistant's message."""

    def bent(_: Json, completion: Json) -> Json:
        change(completion["choices"][0]["message"])
        return completion

    return bent


def text(name: str, form: str, *, on_calls: bool = True) -> Bend:
    """The answer's text in another form: `{0}` is the text, `{1}` the thinking.

    Args:
        on_calls: Whether an answer with calls gets the form too.
    """

    def change(message: Json) -> None:
        if on_calls or not message.get("tool_calls"):
            message["content"] = form.format(message.get("content") or "", THOUGHT)

    return Bend(name, change=of_message(change))


def calls(name: str, form: str, *, of_one: Callable[[str, Json], str], between: str = "") -> Bend:
    """Calls as text: `{0}` is where they stand."""

    def change(message: Json) -> None:
        if native := message.pop("tool_calls", None):
            pairs = [_pair(call) for call in native]
            message["content"] = form.format(between.join(of_one(*pair) for pair in pairs))

    return Bend(name, change=of_message(change))


def arguments(name: str, loosen: Callable[[str, Json], Any], prefix: str = "") -> Bend:
    """Native calls with other arguments."""

    def change(message: Json) -> None:
        for call in message.get("tool_calls") or ():
            loose = loosen(*_pair(call))
            call["function"]["name"] = prefix + call["function"]["name"]
            call["function"]["arguments"] = loose

    return Bend(name, change=of_message(change))


def usage(name: str, counts: Any) -> Bend:
    """Token counts that are none."""
    return Bend(name, change=lambda _, completion: {**completion, "usage": counts})


def in_turn(name: str, bends: Sequence[Bend]) -> Bend:
    """Quirks one after the other; answers with calls and those without have turns of their own."""
    turns: dict[bool, int] = {True: 0, False: 0}

    def change(body: Json, completion: Json) -> Json | str:
        calls = bool(completion["choices"][0]["message"].get("tool_calls"))
        bend = bends[turns[calls] % len(bends)]
        turns[calls] += 1
        return bend.change(body, completion)

    return Bend(name, change=change)


def reasoning(name: str, fields: Json) -> Bend:
    """Thinking in fields of its own."""
    return Bend(name, change=of_message(lambda message: message.update(fields)))


def _blocks(*thinking: Json) -> Callable[[Json, Json], Json]:
    def change(message: Json) -> None:
        said = message.get("content")
        message["content"] = [*thinking, *([{"type": "text", "text": said}] if said else [])]

    return of_message(change)


def _pair(call: Json) -> _Call:
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def _object(key: str = "arguments", name: str = "name") -> Callable[[str, Json], str]:
    return lambda tool, args: json.dumps({name: tool, key: args})


def _python(tool: str, args: Json) -> str:
    return f"{tool}({', '.join(f'{name}={value!r}' for name, value in args.items())})"


def _tags(tool: str, args: Json) -> str:
    parts = [
        f"<parameter={name}>\n{value if isinstance(value, str) else json.dumps(value)}\n"
        "</parameter>\n"
        for name, value in args.items()
    ]
    return f"<tool_call>\n<function={tool}>\n{''.join(parts)}</function>\n</tool_call>\n"


def _listed(loosen: Callable[[list[str]], Any]) -> Callable[[str, Json], str]:
    def loose(_: str, args: Json) -> str:
        return json.dumps(
            {name: loosen(part) if isinstance(part, list) else part for name, part in args.items()}
        )

    return loose


THINKING = (
    text("think", "<think>\n{1}\n</think>\n\n{0}"),
    text("think-no-opening", "{1}\n</think>\n\n{0}"),
    text("think-empty", "<think>\n\n</think>\n\n{0}"),
    text("thinking", "<thinking>{1}</thinking>\n{0}"),
    text("thought", "<thought>\n{1}\n</thought>{0}"),
    text("reasoning-tag", "<reasoning>{1}</reasoning>\n\n{0}"),
    text("think-brackets", "[THINK]{1}[/THINK]{0}"),
    text("think-triangles", "◁think▷{1}◁/think▷{0}"),
    text(
        "harmony",
        "<|channel|>analysis<|message|>{1}<|end|><|start|>assistant<|channel|>final<|message|>{0}"
        "<|return|>",
    ),
    text("gemma-channel", "<|channel>thought\n{1}<channel|>{0}"),
    text("think-answer-tags", "<think>{1}</think>\n<answer>{0}</answer>"),
    text("think-after-header", "<|im_start|>assistant\n<think>{1}</think>\n{0}<|im_end|>"),
    Bend("blocks-thinking", change=_blocks({"type": "thinking", "thinking": THOUGHT})),
    Bend(
        "blocks-thinking-nested",
        change=_blocks({"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}),
    ),
    Bend("blocks-reasoning", change=_blocks({"type": "reasoning", "reasoning": THOUGHT})),
    reasoning("field-reasoning-content", {"reasoning_content": THOUGHT}),
    reasoning("field-reasoning", {"reasoning": THOUGHT}),
    reasoning(
        "field-reasoning-details",
        {"reasoning_details": [{"type": "reasoning.text", "text": THOUGHT}]},
    ),
)
SPECIAL_TOKENS = tuple(
    text(f"ends-{name}", f"{{0}}{token}", on_calls=False)
    for name, token in {
        "llama": "<|eot_id|>",
        "mistral": "</s>",
        "chatml": "<|im_end|>\n<|endoftext|>",
        "gemma": "<end_of_turn>\n",
        "deepseek": "<｜end▁of▁sentence｜>",
        "next-turn": "<|im_end|>\n<|im_start|>user\nThank you.",
    }.items()
)
TEXT_CALLS = (
    calls("calls-hermes", "{0}", of_one=lambda *c: f"<tool_call>\n{_object()(*c)}\n</tool_call>\n"),
    calls("calls-bare", "{0}", of_one=_object(), between="\n"),
    calls("calls-llama", "{0}", of_one=_object("parameters"), between="; "),
    calls("calls-fenced", "Sure!\n```json\n[{0}]\n```", of_one=_object(), between=",\n"),
    calls("calls-function", "{0}", of_one=lambda n, a: f"<function={n}>{json.dumps(a)}</function>"),
    calls("calls-tags", "{0}", of_one=_tags),
    calls("calls-python-tag", "<|python_tag|>{0}", of_one=_object("parameters"), between=";"),
    calls("calls-mistral", "[TOOL_CALLS][{0}]", of_one=_object(), between=", "),
    calls("calls-pythonic", "[{0}]", of_one=_python, between=", "),
    calls("calls-functions-dot", "{0}", of_one=lambda n, a: f"functions.{n}({json.dumps(a)})\n"),
    calls(
        "calls-kimi",
        "<|tool_calls_section_begin|>{0}<|tool_calls_section_end|>",
        of_one=lambda n, a: (
            f"<|tool_call_begin|>functions.{n}:0<|tool_call_argument_begin|>"
            f"{json.dumps(a)}<|tool_call_end|>"
        ),
    ),
    calls(
        "calls-deepseek",
        "<｜tool▁calls▁begin｜>{0}<｜tool▁calls▁end｜>",
        of_one=lambda n, a: (
            f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{n}\n```json\n"
            f"{json.dumps(a)}\n```<｜tool▁call▁end｜>"
        ),
    ),
    calls(
        "calls-harmony",
        "<|channel|>analysis<|message|>Hm.<|end|>{0}",
        of_one=lambda n, a: (
            f"<|start|>assistant<|channel|>commentary to=functions.{n} "
            f"<|constrain|>json<|message|>{json.dumps(a)}<|call|>"
        ),
    ),
    calls("calls-thought", "<think>{{Hm}}</think>\n{0}", of_one=_tags),
)
LOOSE = (
    arguments(
        "arguments-null",
        lambda _, args: json.dumps({"persona": None, "genre": None, "produces": None, **args}),
    ),
    arguments("arguments-string-for-list", _listed(lambda part: part[0] if part else None)),
    arguments("arguments-json-in-string", _listed(json.dumps)),
    arguments(
        "arguments-list-for-string",
        lambda _, args: json.dumps(
            {name: part if isinstance(part, list) else [part] for name, part in args.items()}
        ),
    ),
    arguments("arguments-object", lambda _, args: args),
    arguments("arguments-encoded-twice", lambda _, args: json.dumps(json.dumps(args))),
    arguments("arguments-extra", lambda _, args: json.dumps({**args, "reason": "so", "n": 1})),
    arguments("arguments-trailing-comma", lambda _, args: json.dumps(args)[:-1] + ",}"),
    arguments("arguments-not-closed", lambda _, args: json.dumps(args)[:-1]),
    arguments("name-functions", lambda _, args: json.dumps(args), "functions."),
    arguments("name-default-api", lambda _, args: json.dumps(args), "default_api."),
)
USAGE = (
    usage("usage-null", None),
    usage("usage-empty", {}),
    usage("usage-null-counts", {"prompt_tokens": None, "completion_tokens": None}),
    usage("usage-zero", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
    usage("usage-negative", {"prompt_tokens": -1, "completion_tokens": -5, "total_tokens": -6}),
    usage("usage-fractional", {"prompt_tokens": 10.5, "completion_tokens": 2.25}),
    usage("usage-absurd", {"prompt_tokens": 1e25, "completion_tokens": 10**30}),
    usage("usage-too-large", {"prompt_tokens": 9 * 10**8, "completion_tokens": 9 * 10**8}),
    usage("usage-words", {"prompt_tokens": "many", "completion_tokens": "few"}),
    usage("usage-list", [1, 2]),
    usage("usage-booleans", {"prompt_tokens": True, "completion_tokens": True}),
)
COUNTED = (
    usage("usage-strings", {"prompt_tokens": "120", "completion_tokens": "30"}),
    usage("usage-other-names", {"input_tokens": 120, "output_tokens": 30}),
)
FAMILIES: Mapping[str, Sequence[Bend]] = {
    "thinking": THINKING,
    "special-tokens": SPECIAL_TOKENS,
    "calls-as-text": TEXT_CALLS,
    "loose-arguments": LOOSE,
    "senseless-usage": USAGE,
    "readable-usage": COUNTED,
}
BENDS = tuple(bend for family in FAMILIES.values() for bend in family)
