"""Tool calls that a model wrote into its text, in every form that models are known to write.

Read are JSON with a name and arguments (Hermes, Qwen, Llama, Granite, Command R, ...), a name with
JSON behind it (Mistral, Kimi, DeepSeek, gpt-oss, ReAct), a name with tags for the arguments
(Qwen3-Coder, GLM, MiniMax, Claude's old form) and calls as Python writes them (Llama 4, LFM2,
Gemma). Sources: the tool parsers of vLLM and SGLang. Only a name among the offered tools makes a
call; prose, code and other JSON make none.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .loose_json import loose_json_at
from .tool_names import known_name

_NAME_KEYS = (
    "name",
    "tool_name",
    "function_name",
    "recipient_name",
    "tool",
    "function",
    "action",
    "command",
)
_ARGUMENT_KEYS = (
    "arguments",
    "parameters",
    "args",
    "input",
    "action_input",
    "tool_input",
    "params",
    "kwargs",
)
_BESIDE = {"id", "type", "tool_call_id", "index", "call_id", "thought", "thoughts"}
_TAGGED = re.compile(
    r"<(?:function|invoke|[|｜]DSML[|｜]invoke|tool)(?:\s*=\s*|\s+name\s*=\s*)"
    r"[\"']?(?P<name>[\w.:-]+)[\"']?[^<>\n]*>(?P<body>.*?)"
    r"(?:</(?:function|invoke|[|｜]DSML[|｜]invoke|tool)>|(?=<(?:function|invoke)\b)|\Z)"
    r"|<tool_call>\s*(?P<glm>[\w.:-]+)\s*(?P<glm_body><arg_key>.*?)(?:</tool_call>|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(
    r"<(?:parameter|[|｜]DSML[|｜]parameter|param|arg)(?:\s*=\s*|\s+name\s*=\s*)"
    r"[\"']?(?P<key>[\w.-]+)[\"']?(?P<attributes>[^<>\n]*)>(?P<value>.*?)"
    r"(?:</(?:parameter|[|｜]DSML[|｜]parameter|param|arg)>|(?=<(?:parameter|param)\b)|\Z)"
    r"|<arg_key>(?P<glm_key>.*?)</arg_key>\s*<arg_value>(?P<glm_value>.*?)(?:</arg_value>|\Z)",
    re.DOTALL,
)
_BETWEEN = (  # what stands between a name and its JSON
    r"(?:\s|[=>:(\"'*`]|<[|｜][^|｜<>\n]{1,48}[|｜]>|\[ARGS\]|\[CALL_ID\]\w*|```(?:json)?"
    r"|Action Input|Arguments|Input|json\b)*"
)
_NAME_BEFORE = re.compile(rf"(?<![\w{{])(?P<name>(?:[\w-]+[.:])*[\w-]+(?::\d+)?){_BETWEEN}\Z")
_LOOKED_BACK = 160  # characters before a brace
_STARTS_JSON = re.compile(r"[{\[]")
_WRAPPER = re.compile(
    r"<(?:\w+:)?(?:tool_calls?|function_calls?|tools?|tool_use|start_function_call)>"
    r"|<[|｜](?:tool|DSML|python_tag|START_ACTION|action_start|plugin|channel)[^|｜<>\n]*[|｜]?"
    r"[^|｜<>\n]{0,40}>|<[|｜]tool[▁_]calls?[▁_]\w+[|｜]>|\[TOOL_CALLS\]|functools\Z"
    r"|(?:Thought:.*)?Action:\s*(?:```\w*\s*)?\Z|```\w*\s*\Z",
    re.DOTALL,
)
_MARKED = re.compile(  # an answer with one of these means to call something
    r"<(?:\w+:)?(?P<tag>tool_calls?|function_calls?)>(?P<body>.*?)(?:</(?:\w+:)?(?P=tag)>|\Z)"
    r"|\[TOOL_CALLS\](?P<mistral>.*)\Z|<\|python_tag\|>(?P<llama>.*)\Z"
    r"|<\|tool_call\|>(?P<granite>.*)\Z|<[|｜]tool▁calls▁begin[|｜]>(?P<deepseek>.*)\Z"
    r"|<\|tool_calls_section_begin\|>(?P<kimi>.*)\Z",
    re.DOTALL,
)
_PYTHON_BEGINS = re.compile(
    r"(?:^|[\[;,>`(=]|\bprint\()\s*(?P<name>(?:[A-Za-z_][\w-]*\s*\.\s*)*[A-Za-z_][\w-]*)\(",
    re.MULTILINE,
)
_GEMMA = re.compile(r"call:(?P<name>[\w.-]+)\{(?P<body>.*?)\}(?=\s*(?:<|call:|\Z))", re.DOTALL)
_GEMMA_PAIR = re.compile(
    r"(?P<key>\w+)\s*:\s*(?:<escape>(?P<text>.*?)<escape>|<\|\"\|>(?P<quoted>.*?)<\|\"\|>"
    r"|(?P<plain>\[.*?\]|[^,{}]*))(?:,|\Z)",
    re.DOTALL,
)
_MOST_CALLS = 64


class TextCall(NamedTuple):
    """A call that stands in a text.

    Attributes:
        name: Of the offered tool that is meant.
        arguments: As they came: an object, JSON, or positional ones in a list.
        start: Where in the text it begins.
    """

    name: str
    arguments: Any
    start: int


class MarkedText(NamedTuple):
    """What stands where a text marks a call, and a name in it where there is one."""

    body: str
    name: str | None
    start: int


def calls_in(text: str, tools: Mapping[str, Mapping[str, Any]]) -> list[TextCall]:
    """The calls of offered tools in a text, in their order.

    Args:
        text: Without thinking.
        tools: The schemas of the arguments of the offered tools, by name.
    """
    for read in (_tagged, _objects, _named, _gemma, _python):
        calls = [call for call, _ in zip(read(text, tools), range(_MOST_CALLS), strict=False)]
        if calls:
            return calls
    return []


def text_before(text: str, start: int) -> str:
    """What is said before a call, without the marks that announce it."""
    before = text[:start]
    marks = _WRAPPER.search(before)
    return (before[: marks.start()] if marks else before).strip(" \t\r\n[(`*,{.")


def marked_call(text: str) -> MarkedText | None:
    """The first place of a text that is marked as a call, whatever stands there."""
    if not any(mark in text for mark in ("<", "[TOOL")) or not (mark := _MARKED.search(text)):
        return None
    body = next(part for part in mark.group(*_BODIES) if part is not None)
    name = re.search(r"\"name\"\s*:\s*\"([^\"]{1,60})\"", body)
    return MarkedText(body.strip(), name and name[1], mark.start())


_BODIES = ("body", "mistral", "llama", "granite", "deepseek", "kimi")


def _objects(text: str, tools: Mapping[str, Any]) -> Iterator[TextCall]:
    """Calls in the JSON values of the text, however deep they lie in them."""
    place = 0
    while begin := _STARTS_JSON.search(text, place):
        start = begin.start()
        try:
            value, place = loose_json_at(text, start)
        except ValueError:
            place = start + 1
            continue
        for name, arguments in _calls_of(value, tools):
            yield TextCall(name, arguments, start)


def _calls_of(value: Any, tools: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > 6:
        return
    if isinstance(value, list):
        for part in value:
            yield from _calls_of(part, tools, depth + 1)
    elif isinstance(value, dict):
        if (call := _call_of(value, tools)) is not None:
            yield call
        else:
            for part in value.values():
                yield from _calls_of(part, tools, depth + 1)


def _call_of(value: dict[str, Any], tools: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The call that an object is, by its keys."""
    if len(value) == 1:
        ((key, inner),) = value.items()
        name = known_name(str(key), tools)
        if name is not None and isinstance(inner, dict):
            return name, inner
    for key in _NAME_KEYS:
        if not isinstance(value.get(key), str):
            continue
        if (name := known_name(value[key], tools)) is None:
            continue
        for arguments in _ARGUMENT_KEYS:
            if arguments in value and arguments != key:
                return name, value[arguments]
        rest = {other: part for other, part in value.items() if other not in (key, *_BESIDE)}
        if rest.keys() <= (tools[name].get("properties") or {}).keys():
            return name, rest
    return None


def _tagged(text: str, tools: Mapping[str, Any]) -> Iterator[TextCall]:
    """`<function=name>` and `<invoke name="name">`, with parameters in tags or JSON inside."""
    if "<" not in text:
        return
    for call in _TAGGED.finditer(text):
        if (name := known_name(call["name"] or call["glm"], tools)) is None:
            continue
        body = call["body"] if call["name"] else call["glm_body"]
        parameters = {
            (pair["key"] or pair["glm_key"]).strip(): _parameter(pair)
            for pair in _PARAMETER.finditer(body)
        }
        yield TextCall(name, parameters or body.strip(), call.start())


def _parameter(pair: re.Match[str]) -> str:
    value = pair["value"] if pair["key"] else pair["glm_value"]
    return str(value).strip()


def _named(text: str, tools: Mapping[str, Any]) -> Iterator[TextCall]:
    """A tool's name with a JSON object behind it."""
    end = 0
    while (brace := text.find("{", end)) >= 0:
        head, end = max(end, brace - _LOOKED_BACK), brace + 1
        named = _NAME_BEFORE.search(text[head:brace])
        if named is None or (name := known_name(named["name"], tools)) is None:
            continue
        try:
            arguments, end = loose_json_at(text, brace)
        except ValueError:
            continue
        yield TextCall(name, arguments, head + named.start())


def _gemma(text: str, tools: Mapping[str, Any]) -> Iterator[TextCall]:
    """`call:name{key:<escape>value<escape>}`."""
    for call in _GEMMA.finditer(text) if "call:" in text else ():
        if (name := known_name(call["name"], tools)) is not None:
            arguments = {
                pair["key"]: pair["text"] or pair["quoted"] or _plain_value(pair["plain"])
                for pair in _GEMMA_PAIR.finditer(call["body"])
            }
            yield TextCall(name, arguments, call.start())


def _plain_value(value: str | None) -> str:
    return re.sub(r"<escape>|<\|\"\|>", '"', value or "").strip()


def _python(text: str, tools: Mapping[str, Any]) -> Iterator[TextCall]:
    """`[consult(expert="Editor"), submit("draft-1")]`, where a line or a list begins with it."""
    if "(" not in text:
        return
    place = 0
    while begin := _PYTHON_BEGINS.search(text, place):
        place = begin.end() - 1
        if (name := known_name(begin["name"], tools)) is None:
            continue
        end = _closing(text, begin.end() - 1)
        if end is None:
            continue
        arguments = _python_arguments(text[begin.end() : end - 1], tools[name])
        if arguments is not None:
            place = end
            yield TextCall(name, arguments, begin.start("name"))


def _closing(text: str, start: int) -> int | None:
    """Where the parenthesis that opens at `start` is closed."""
    depth, quote, place = 0, "", start
    while place < len(text):
        char = text[place]
        if quote:
            if char == "\\":
                place += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return None


def _python_arguments(source: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call in Python, of constants alone; None where they are others."""
    names = list(schema.get("properties") or {})
    try:
        expression = ast.parse(f"f({source.strip()})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    assert isinstance(expression, ast.Call)
    try:
        by_place = [_constant(node) for node in expression.args]
        by_name = {item.arg: _constant(item.value) for item in expression.keywords if item.arg}
    except ValueError:
        return None
    if len(by_place) == 1 and isinstance(by_place[0], dict) and not by_name:
        return by_place[0]
    if len(by_place) > len(names):
        return None
    return {**dict(zip(names, by_place, strict=False)), **by_name}


def _constant(node: ast.expr) -> Any:
    """The value of an expression.

    Raises:
        ValueError: It is no constant; JSON's words count as such.
    """
    words = {"true": True, "false": False, "null": None}
    if isinstance(node, ast.Name) and node.id in words:
        return words[node.id]
    if isinstance(node, ast.List):
        return [_constant(item) for item in node.elts]
    return ast.literal_eval(node)
