"""Answers whose form is known, without what models put around them: fences, openings, labels."""

import json
import re
from collections.abc import Iterator

from .loose_json import loose_json, loose_json_at

_WHOLE_FENCE = re.compile(
    r"\A\s*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[ \t]*\n(?P<body>.*?)\n?[ \t]*"
    r"(?P=fence)\s*\Z",
    re.DOTALL,
)
_ANY_FENCE = re.compile(r"(?:```|~~~)[ \t]*[\w+-]*[ \t]*\n(.*?)\n?[ \t]*(?:```|~~~)", re.DOTALL)
_PROSE = ("", "markdown", "md", "text", "txt", "plain", "plaintext", "none")
_OPENING = re.compile(
    r"\A[\s*_#>]*(?:"
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|understood|got it)\b[^\n:,!.]{0,40}"
    r"(?:[!.,]+[ \t]*(?=here|below|the following|\n)|[!.]+\s+|,?[ \t]*\n|:\s*)"
    r"|(?:here(?:'s|’s| is| are)|below (?:is|are)|these are|this is|the following (?:is|are))\b"
    r"[^\n:.!?]{0,100}:[\s*_]*"
    r")",
    re.IGNORECASE,
)
_LABELS = {
    "keywords": r"(?:[\w-]+ ){0,2}key ?(?:words?|terms?|phrases?)(?: list)?",
    "topic": r"(?:topic|label|topic label)",
    "summary": r"(?:(?:brief|short|one-sentence) )?summary",
    "question": r"(?:question|instruction)",
    "persona": r"(?:persona|person|author)",
}
_FROM_JSON = ("keywords", "topic", "summary", "persona")  # forms that are a list or a line
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("**", "**"), ("*", "*"), ("`", "`"))


def bare_document(text: str) -> str:
    """The document, where the whole answer is one fence around prose; fences of its own stay."""
    fence = _WHOLE_FENCE.match(text)
    if fence is None or fence["language"].lower() not in _PROSE:
        return text
    inside = sum(line.lstrip().startswith(fence["fence"]) for line in fence["body"].split("\n"))
    nested = fence["language"] and inside % 2 == 0
    return fence["body"].strip() if not inside or nested else text


def bare_form(text: str, kind: str) -> str:
    """A keyword list, a label, a summary, a person or a question without opening, label and fence.

    What is no question may stand in JSON, whatever its keys.

    Args:
        text: The answer.
        kind: What it is; others than these come back as they are, but for a fence around all.
    """
    if kind not in _LABELS:
        return bare_document(text)
    label = re.compile(rf"\A[\s*_#>-]*{_LABELS[kind]}[*_]*\s*[:：][\s*_]*", re.IGNORECASE)
    rest = text
    for _ in range(4):
        before = rest
        if (fence := _ANY_FENCE.search(rest)) and not _OPENING.sub(
            "", rest[: fence.start()]
        ).strip():
            rest = fence[1]
        for pattern in (_OPENING, label):
            if (shorter := pattern.sub("", rest)).strip():
                rest = shorter
        if rest == before:
            break
    rest = rest.strip()
    if kind in _FROM_JSON:
        rest = _from_json(rest, ", " if kind == "keywords" else " ")
    return _unquoted(rest) if kind in ("topic", "persona") else rest or text


def _from_json(text: str, between: str) -> str:
    """The strings of an answer that is JSON; any other text as it is."""
    try:
        value, _ = loose_json_at(text, 0)
    except ValueError:
        return text
    strings = list(_strings(value)) if isinstance(value, dict | list) else []
    return between.join(strings) or text


def _strings(value: object) -> Iterator[str]:
    """All strings in a value, in their order."""
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def bare_json(text: str) -> str:
    """The JSON in an answer that has words or a fence around it; without any, the text."""
    try:
        json.loads(text)
    except ValueError:
        pass
    else:
        return text
    for body in (*(fence[1] for fence in _ANY_FENCE.finditer(text)), text):
        try:
            return json.dumps(loose_json(body), ensure_ascii=False)
        except ValueError:
            pass
        for start in (mark.start() for mark in re.finditer(r"[{\[]", body)):
            try:
                value, end = loose_json_at(body, start)
            except ValueError:
                continue
            if isinstance(value, dict) or (value and not body[end:].strip()):
                return json.dumps(value, ensure_ascii=False)
    return text


def _unquoted(text: str) -> str:
    for left, right in _QUOTES:
        inner = text[len(left) : len(text) - len(right)]
        if text.startswith(left) and text.endswith(right) and inner and left not in inner:
            return inner.strip()
    return text
