"""Thinking that stands in the text of an answer, in every form that models are known to write.

Sources: the reasoning parsers of vLLM and SGLang and the chat templates of DeepSeek, Qwen, Kimi,
Magistral, EXAONE, Seed-OSS, Command A, OpenThinker, Granite, Apriel, Gemma and gpt-oss (harmony).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .places import begins_line, in_sentence, quoted

_SURE = "think|thinking|thoughts?|reasoning"
_RARE = "reason|reflection|scratchpad|analysis|inner_monologue"  # documents have them too
_NAMES = rf"(?:[\w-]+:)?(?:{_SURE}|{_RARE})"
_OPENING = re.compile(
    rf"<(?P<tag>{_NAMES})(?:\s[^<>]*)?/?>"
    rf"|\[(?P<bracket>{_SURE})\]"
    rf"|[◁◀](?P<triangle>{_SURE})[▷▶]"
    rf"|<[|｜](?:begin_of_|begin_|start_)?(?P<token>{_SURE})(?:_start|_begin)?[|｜]>"
    r"|<\|channel>\s*(?P<channel>thought|thinking|analysis)\b",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</(?P<tag>{_NAMES})\s*>|\[/(?:{_SURE})\]|[◁◀]/(?:{_SURE})[▷▶]"
    rf"|<[|｜](?:/|end_of_|end_)(?:{_SURE})[|｜]>|<[|｜](?:{_SURE})_end[|｜]>|<channel\|>",
    re.IGNORECASE,
)
_CLOSING_OF = {
    "tag": "</{}\\s*>",
    "bracket": r"\[/{}\]",
    "triangle": "[◁◀]/{}[▷▶]",
    "token": r"<[|｜](?:(?:/|end_of_|end_){0}|{0}_end)[|｜]>",
    "channel": r"<channel\|>",
}
_SIGNS = "<[◁◀"
_CLOSING_BEGINS = ("</", "[/", "◁/", "◀/", "<|", "<｜", "<channel|>")
_HARMONY = re.compile(
    r"(?:<\|start\|>\s*assistant(?P<to>[^<\n]{0,80}))?<\|channel\|>\s*(?P<channel>\w+)(?P<head>[^\n]{0,200}?)"
    r"<\|message\|>(?P<body>.*?)"
    r"(?:<\|end\|>|<\|return\|>|<\|call\|>|(?=<\|start\|>|<\|channel\|>)|\Z)",
    re.DOTALL,
)
_HARMONY_BARE = re.compile(  # the same where a server has left out the special tokens
    r"\A\s*analysis(?=[A-Z\"'(])(?P<thought>.*?)assistantfinal(?P<said>.*)\Z", re.DOTALL
)
_RECIPIENT = re.compile(r"to=(\S+)")
_SECTIONS = re.compile(  # Granite 3.2 and Apriel 1.5: thinking and answer under headings
    r"\A\s*Here (?:is|are) my (?:thought process|reasoning steps):?(?P<thought>.*?)"
    r"(?:Here is my response:|\[BEGIN FINAL RESPONSE\])(?P<said>.*?)"
    r"(?:\[END FINAL RESPONSE\].*)?\Z",
    re.DOTALL | re.IGNORECASE,
)
_WRAPPED = re.compile(  # what some put around the answer that follows their thinking
    r"\A\s*(?:<(?P<tag>answer|response|solution|output|final|final_answer)>(?P<tagged>.*?)"
    r"(?:</(?P=tag)>\s*\Z|\Z)"
    r"|<\|(?:begin_of_solution|START_RESPONSE|START_TEXT|begin_of_box)\|>(?P<between>.*?)"
    r"(?:<\|(?:end_of_solution|END_RESPONSE|END_TEXT|end_of_box)\|>\s*\Z|\Z))",
    re.DOTALL | re.IGNORECASE,
)
_CALL_BEGINS = re.compile(
    r"<(?:\w+:)?(?:tool_call|function_call)s?>|<function[= ]|<\|tool_call|<[|｜]tool[▁_]call"
    r"|\[TOOL_CALLS\]|<invoke |<\|python_tag\|>|<\|START_ACTION\|>"
)


class Split(NamedTuple):
    """An answer's text without its thinking, and the thinking."""

    said: str
    thought: str


def split_thinking(text: str, *, tools_offered: bool = False) -> Split:
    """The text without thinking, and the thinking; a text without any comes back as it is.

    Thinking is what stands between such marks at the beginning of an answer, or before a closing
    mark that nothing opened; a block that never closes is thinking to its end, or to the first tool
    call. Marks in code, between quotes or in the middle of a sentence are a text's own.
    """
    thoughts: list[str] = []
    rest = text
    while split := _next(rest, tools_offered=tools_offered, thinks=bool(thoughts)):
        thoughts.append(split.thought.strip())
        rest = split.said
        if wrapped := _WRAPPED.match(rest):
            rest = wrapped["tagged"] if wrapped["tag"] else wrapped["between"]
    if not thoughts:
        return Split(text, "")
    return Split(rest.strip(), "\n\n".join(filter(None, thoughts)))


def holds_thinking(text: str) -> bool:
    """Whether a text has marks of thinking that are not its subject."""
    marks = (*_unquoted(_OPENING, text), *_unquoted(_CLOSING, text))
    return any(begins_line(text, mark.start()) for mark in marks) or _next(text) is not None


def _next(text: str, *, tools_offered: bool = False, thinks: bool = False) -> Split | None:
    """The next piece of thinking and what is left without it.

    Args:
        thinks: Whether the answer had some before: then blocks further down are thinking too.
    """
    if "<|channel|>" in text and (split := _harmony(text, tools_offered=tools_offered)):
        return split
    start = len(text) - len(text.lstrip())
    if opening := _OPENING.match(text, start):
        return _block(text, opening, tools_offered=tools_offered)
    if text.startswith(("Here ", "analysis"), start):
        headed = _SECTIONS.match(text) or _HARMONY_BARE.match(text)
        if headed:
            return Split(headed["said"], headed["thought"])
    if any(mark in text for mark in _CLOSING_BEGINS) and (split := _unopened(text)):
        return split
    if thinks:
        for opening in _unquoted(_OPENING, text):
            if begins_line(text, opening.start()):
                return _block(text, opening, tools_offered=tools_offered)
    return None


def _block(text: str, opening: re.Match[str], *, tools_offered: bool) -> Split | None:
    """What a block of thinking holds, and the text around it."""
    before, kind = text[: opening.start()], str(opening.lastgroup)
    if opening.group().endswith("/>"):
        return Split(before + text[opening.end() :], "")
    name = re.escape(opening[kind])
    own = re.compile(_CLOSING_OF[kind].format(name), re.IGNORECASE)
    body = text[opening.end() :]
    closings = list(own.finditer(body)) or list(_unquoted(_CLOSING, body))
    if closings:
        outside = (mark for mark in closings if not quoted(body, *mark.span()))
        closing = next(outside, closings[0])
        said, thought = body[closing.end() :], body[: closing.start()]
    elif tools_offered and (call := _CALL_BEGINS.search(body)):
        said, thought = body[call.start() :], body[: call.start()]
    else:
        said, thought = "", body
    if not (before + said).strip() and kind == "tag" and re.fullmatch(_RARE, name, re.IGNORECASE):
        return None
    return Split(before + said, thought)


def _unopened(text: str) -> Split | None:
    """Thinking whose opening mark stood in the prompt."""
    opening = next(_unquoted(_OPENING, text), None)
    for closing in _unquoted(_CLOSING, text):
        if opening is not None and opening.start() < closing.start():
            return None
        if in_sentence(text, *closing.span()):
            continue
        if closing["tag"] and not re.search(f"(?:{_SURE})$", closing["tag"], re.IGNORECASE):
            continue
        return Split(text[closing.end() :], text[: closing.start()])
    return None


def _harmony(text: str, *, tools_offered: bool) -> Split | None:
    """The channels of gpt-oss's format: `final` is the answer, a recipient's message is a call."""
    messages = list(_HARMONY.finditer(text))
    if not messages or quoted(text, messages[0].start(), messages[0].start("body")):
        return None
    before = text[: messages[0].start()]
    if before.strip() and messages[0]["channel"] != "final":
        return None
    said, thoughts = [], [before]
    for message in messages:
        recipient = _RECIPIENT.search(f"{message['to'] or ''} {message['head']}")
        if recipient and tools_offered:
            said.append(f"{recipient[1].partition('<|')[0]} {message['body']}")
        elif message["channel"] == "final":
            said.append(message["body"])
        else:
            thoughts.append(message["body"])
    return Split("\n".join(said), "\n\n".join(part.strip() for part in thoughts if part.strip()))


def _unquoted(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    if not any(sign in text for sign in _SIGNS):
        return iter(())  # most texts; the patterns would look at each letter
    return (mark for mark in pattern.finditer(text) if not quoted(text, *mark.span()))
