"""JSON as models write it: with trailing commas, Python's words, fences, or a bracket missing."""

import ast
import json
import re
from typing import Any

_FENCE = re.compile(r"\A\s*(?:```|~~~)[\w-]*[ \t]*\n?(.*?)\s*(?:```|~~~)?\s*\Z", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_STRICT = json.JSONDecoder()
_LAX = json.JSONDecoder(strict=False)  # raw line breaks in strings
_PART = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{}\[\]]|</|[\"']", re.DOTALL
)  # strings as a whole, brackets, and a quotation mark that nothing closes
_PAIRS = {"{": "}", "[": "]"}


def loose_json(text: str) -> Any:
    """The value of a text that is JSON, or that plainly means to be.

    Raises:
        ValueError: It is not; cut in the middle of a string, its meaning would be a guess.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    stripped = text.strip()
    if fenced := _FENCE.match(stripped) if stripped.startswith(("```", "~~~")) else None:
        stripped = fenced[1].strip()
    value, end = loose_json_at(stripped, 0)
    if stripped[end:].strip(" \t\r\n}])>;,.`"):
        raise ValueError("words follow the JSON")
    return value


def loose_json_at(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at a place, and where it ends.

    Raises:
        ValueError: None does.
    """
    try:
        return _LAX.raw_decode(text, start)
    except ValueError:
        pass
    if text[start : start + 1] not in _PAIRS:
        raise ValueError("neither an object nor a list")
    end, missing = _extent(text, start)
    body = text[start:end].rstrip().rstrip(",:") + missing
    try:
        return _LAX.decode(_TRAILING_COMMA.sub(r"\1", body)), end
    except ValueError as error:
        try:
            value = ast.literal_eval(_python(body))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict | list):
        raise ValueError("neither an object nor a list")
    return value, end


def _extent(text: str, start: int) -> tuple[int, str]:
    """Where the brackets that open at `start` are closed, and those that are missing at the end."""
    missing: list[str] = []
    for part in _PART.finditer(text, start):
        sign = part.group()
        if sign in _PAIRS:
            missing.append(_PAIRS[sign])
        elif missing and sign == missing[-1]:
            missing.pop()
            if not missing:
                return part.end(), ""
        elif sign == "</":  # the mark that closes a call
            return part.start(), "".join(reversed(missing))
        elif sign in ('"', "'"):
            raise ValueError("cut in the middle of a string")
    return len(text), "".join(reversed(missing))


def _python(body: str) -> str:
    """The body with Python's names for JSON's."""
    names = {"true": "True", "false": "False", "null": "None"}
    return re.sub(
        r"(?<=[:\[,])(\s*)(true|false|null)\b", lambda match: match[1] + names[match[2]], body
    )
