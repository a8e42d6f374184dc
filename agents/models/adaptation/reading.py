"""From a refusal to the changes that answer it.

No list of providers: the names in the server's words and places are matched with the fields that
were sent. What a request cannot do without (messages, model, tools) is never changed so.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from .change import BARE, Change, Json
from .refusal import Refusal, Sentence

LIMITS = ("max_tokens", "max_completion_tokens")
_LIMIT_WORDS = re.compile(
    r"max_(?:completion_|output_|new_)?tokens|(?:completion|output|new) tokens|max_length"
)
_STATUS = frozenset({400, 404, 422, 500})
_STRUCTURE = BARE - {"enum"} | {
    *("messages", "model", "tools", "role", "content", "tool_calls", "tool_call_id", "function"),
    *("arguments", "name", "parameters", "id", "schema", "extra_body", "$ref", "$defs"),
}
_COMMON_WORDS = frozenset(
    {"n", "stop", "user", "stream", "strict", "store", "default", "format", "pattern", "enum"}
    | {"minimum", "maximum", "const", "nullable", "examples", "thinking", "reasoning", "index"}
)
_BOUNDED = frozenset({"temperature", "top_p", "top_k", "n", "top_logprobs"})
_UNSUPPORTED = re.compile(
    r"not (?:be )?(?:supported?|permitted|allowed|recogni[sz]ed|available|accepted|enabled|valid"
    r"|implemented|empty)|unsupported|unknown|unrecogni[sz]ed|unexpected|extra|forbid|deprecated"
    r"|invalid|instead|no such|additional propert|cannot|can't|unavailable|does(?: not|n't)"
    r"|incompatible|only|must|required|should|refuse|unable",
)
_TOO_MUCH = re.compile(
    r"too (?:large|high|big|long|many|great)|at most|up to|maximum|exceed|less than|range|<|≤|>"
    r"|between|greater than|larger|smaller|above|below|limited to|lower|upper"
)
_TOO_LITTLE = re.compile(r"at least|minimum|too (?:small|low|few)|greater than or equal|>=|≥")
_NUMBER = r"(?<![\w.\-])(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?![\w\-]|\.\d)"
_BOUND = re.compile(
    rf"(?:at most|up to|maximum(?: value)?(?: is| of|:)?|less than or equal to|less than|<=?|≤|"
    rf"not exceed|limited to|, | to |and |> |limit of|limit is)\W*{_NUMBER}(\]|\)| ?\(exclusive\))?"
)
_NO_FIELD = re.compile(
    r"content.?(?:filter|policy|management)|safety|moderation|quota|billing|api.?key|credential"
    r"|insufficient"
)
_CONTEXT = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum context|prompt is too long|input tokens"
)
_SMALLEST_PART = 16  # of our limit: a smaller number in the sentence means something else


def changes_for(refusal: Refusal, sent: Json, known: Sequence[Change] = ()) -> list[Change]:
    """The changes that would answer a refusal; none where it names nothing of ours.

    Args:
        refusal: What the endpoint said.
        sent: The request that it turned down, as it was sent.
        known: What is done to requests already.
    """
    if refusal.status not in _STATUS or _NO_FIELD.search(refusal.text.lower()):
        return []
    if refusal.status == 500 and not _UNSUPPORTED.search(refusal.text.lower()):
        return []
    if about_roles := _about_roles(refusal, sent):
        return [about_roles]
    if _CONTEXT.search(refusal.text.lower()):
        return _about_context(refusal.text, sent)
    fields = _Fields(sent)
    placed = [
        change
        for sentence in refusal.sentences
        for field in fields.placed(sentence)
        if (change := _change(field, sentence.text, sent, known))
    ]
    if not placed:
        placed = [
            change
            for sentence in refusal.sentences
            if (field := fields.named(sentence.text))
            and (change := _change(field, sentence.text, sent, known))
        ]
    return list(dict.fromkeys(placed)) or _about_form(refusal, sent)


class _Fields:
    """The names that a request is made of, and where they stand in it."""

    def __init__(self, sent: Json) -> None:
        self.paths: dict[str, list[str]] = {}
        for name, value in sent.items():
            if name == "extra_body" and isinstance(value, dict):
                for own in value:
                    self._add(own, own)
            else:
                self._add(name, name)
        for root in ("tools", "response_format", "messages"):
            for key in _keys(sent.get(root)):
                self._add(key, f"{root}.{key}")
        limit = next(
            (name for name in self.paths if name in LIMITS or _LIMIT_WORDS.match(name)), ""
        )
        self.limit = limit
        self.values = {
            value: name
            for name, value in [*sent.items(), *(sent.get("extra_body") or {}).items()]
            if isinstance(value, str) and name not in _STRUCTURE
        }
        if isinstance(form := sent.get("response_format"), dict):
            self.values[str(form.get("type"))] = "response_format"

    def _add(self, name: str, path: str) -> None:
        if name not in _STRUCTURE:
            self.paths.setdefault(name, []).append(path)

    def placed(self, sentence: Sentence) -> Iterator[str]:
        """The fields that the places beside a sentence mean."""
        for parts in sentence.places:
            if parts[0] == "messages" and parts[-1] == "content":
                yield "messages.content"
            for name in reversed(parts):
                if paths := self._called(name):
                    rooted = [path for path in paths if path.partition(".")[0] in parts]
                    yield (rooted or paths)[0]
                    break

    def named(self, text: str) -> str:
        """The field that a sentence names first; one that is clearly a name before bare words."""
        lowered = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower()
        places: list[tuple[bool, int, str]] = []
        for name, paths in self.paths.items():
            plain = re.escape(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
            spaced = plain.replace("_", "[ _-]?")
            for match in re.finditer(rf"(?<![\w]){spaced}(?![\w])", lowered):
                if (rank := _clarity(name, lowered, match)) is not None:
                    places.append((rank, match.start(), paths[0]))
                    break
        if self.limit and (limit := _LIMIT_WORDS.search(lowered)):
            places.append((False, limit.start(), self.limit))
        for value, name in self.values.items():
            if word := re.search(rf"['\"`]{re.escape(value.lower())}['\"`]", lowered):
                places.append((True, word.start() + len(text), name))
        return min(places)[2] if places else ""

    def _called(self, name: str) -> list[str]:
        if self.limit and name not in self.paths and _LIMIT_WORDS.fullmatch(_snake(name)):
            return [self.limit]
        return self.paths.get(name) or self.paths.get(_snake(name)) or []


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _clarity(name: str, text: str, match: re.Match[str]) -> bool | None:
    """False for a name that is clearly one, True for a bare word, None for a word by chance."""
    before, after = text[: match.start()], text[match.end() :]
    if (before[-1:] or " ") in "'\"`‘“(" and (after[:1] or " ") in "'\"`’”)=":
        return False
    if "_" in match[0] or re.search(
        r"(?:param(?:eter)?s?|fields?|arg(?:ument)?s?|keys?|keyword|"
        r"propert(?:y|ies)|option|name)\W*(?:\w+, )*$",
        before,
    ):
        return False
    if re.match(
        r"\W*(?:param(?:eter)?|field|arg(?:ument)?|keyword|propert(?:y|ies)|option)\b", after
    ):
        return False
    if re.search(
        r"(?:permitted|allowed|unknown|unsupported|unexpected|unrecogni[sz]ed)\W*"
        r"(?:\w+, )*$",
        before,
    ) or (not before.strip() and after[:1] == ":"):
        return False
    return None if name.lower() in _COMMON_WORDS else True


def _keys(value: Any, *, named: bool = False) -> Iterator[str]:
    """The keys inside a value at any depth, but for the names of a schema's properties."""
    if isinstance(value, list):
        for item in value:
            yield from _keys(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not named:
                yield key
            yield from _keys(item, named=key == "properties" and not named)


def _change(field: str, text: str, sent: Json, known: Sequence[Change]) -> Change | None:
    """What is to be done about a field that a sentence names."""
    value = sent.get(field, (sent.get("extra_body") or {}).get(field))
    lowered = text.lower()
    if field == "messages.content":
        null = any(message.get("content", "") is None for message in sent["messages"])
        return Change("set", field, "") if null else None
    if field == "stream" and value:
        return None
    if field == "tool_choice":
        return Change("leave out", field) if value == "auto" else Change("set", field, "auto")
    if field.startswith("response_format"):
        return _about_format(field, sent["response_format"])
    if field.startswith("tools.") and "required" in lowered and "additionalProperties" in text:
        return Change("close schemas")
    if field in LIMITS or _LIMIT_WORDS.fullmatch(field):
        return _about_limit(field, value, lowered, known)
    if field in _BOUNDED and _TOO_MUCH.search(lowered):
        bound = _bound(lowered, value)
        if bound is not None:
            return Change("at most", field, bound)
    return Change("leave out", field)


def _about_format(field: str, form: Any) -> Change:
    if field == "response_format.strict":
        return Change("leave out", field)
    if isinstance(form, dict) and form.get("type") == "json_schema":
        return Change("set", "response_format", {"type": "json_object"})
    return Change("leave out", "response_format")


def _about_limit(field: str, value: Any, text: str, known: Sequence[Change]) -> Change:
    if isinstance(value, int) and (_TOO_MUCH.search(text) or _TOO_LITTLE.search(text)):
        bound = _bound(text, value)
        if bound is not None:
            return Change("at most", field, int(bound))
        more = [number for number in _numbers(text) if number > value]
        if more and _TOO_LITTLE.search(text):
            return Change("at least", field, int(min(more)))
        if re.search(r"too (?:large|high|big|long)|exceed|maximum", text) and value > 1:
            return Change("at most", field, value // 2)
    refused = {change.field for change in known if change.action == "rename"} | {field}
    other = next((name for name in LIMITS if name not in refused), None)
    return Change("leave out", field) if other is None else Change("rename", field, other)


def _numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(_NUMBER, text)]


def _bound(text: str, value: Any) -> float | None:
    """The number in a sentence that a value must not pass; None where it names none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    phrased = []
    for match in _BOUND.finditer(text):
        number = float(match[1].replace(",", ""))
        closed = match[2] or ""
        phrased.append(number - 1 if closed.strip() in (")", "(exclusive)") else number)
    smaller = [number for number in phrased if 0 < number < value]
    if not smaller:
        least = value / _SMALLEST_PART
        smaller = [number for number in _numbers(text) if least <= number < value]
    return max(smaller) if smaller else None


def _about_context(text: str, sent: Json) -> list[Change]:
    """A limit that leaves no room for the prompt is at fault itself; else the prompt is."""
    field = _Fields(sent).limit
    value = sent.get(field)
    lowered = text.lower()
    if (
        not field
        or not isinstance(value, int)
        or not _LIMIT_WORDS.search(re.sub(r"\bin the completion\b", "completion tokens", lowered))
    ):
        return []
    phrased = re.search(rf"(?:<=|at most|less than or equal to) *\W?{_NUMBER}", lowered)
    if phrased and "context_window" in lowered:
        return [Change("at most", field, int(float(phrased[1].replace(",", ""))))]
    window = max((number for number in _numbers(text)), default=0.0)
    if value <= 1 or (window and value <= window / 2 and value != window):
        return []
    windows = [number for number in _numbers(text) if 1 < number <= 2 * value]
    largest = re.search(rf"(?:context (?:length|window|size)\D*?){_NUMBER}", lowered)
    room = float(largest[1].replace(",", "")) if largest else max(windows, default=2 * value)
    return [Change("at most", field, int(min(room, value)) // 2)]


def _about_roles(refusal: Refusal, sent: Json) -> Change | None:
    """Roles that the model does not know, and orders of roles that it does not take."""
    roles = [message["role"] for message in sent["messages"]]
    text = refusal.text.lower()
    of_role = any(
        "messages" in parts and parts[-1] == "role"
        for sentence in refusal.sentences
        for parts in sentence.places
    )
    if (
        "role" not in text
        and not of_role
        and not re.search(
            r"system (?:message|prompt|instruction)|developer (?:message|instruction)|"
            r"(?:consecutive|multiple|successive) \w* ?messages|alternat",
            text,
        )
    ):
        return None
    if re.search(
        r"alternat|consecutive|successive|in a row|multiple .*(?:user|assistant)|"
        r"after role|last (?:message|role)|first message",
        text,
    ):
        return _next_about_order(roles, text)
    if "developer" in roles and ("developer" in text or of_role):
        return Change("developer to system")
    negative = _UNSUPPORTED.search(text) is not None
    if "system" in roles and ("system" in text or "developer" in text or of_role) and negative:
        return Change("merge system")
    if "tool" in roles and negative and (re.search(r"\btool\b", text) or of_role):
        return Change("calls in words")
    if "system" in roles and of_role:
        return Change("merge system")
    return None


def _next_about_order(roles: Sequence[str], text: str) -> Change | None:
    systems = roles.count("system")
    if any(a == b != "tool" for a, b in pairwise(roles)):
        return Change("alternate")
    if systems and ("system" in text or systems > 1 or "optional" not in text):
        return Change("merge system")
    if "tool" in roles:
        return Change("calls in words")
    return None


def _about_form(refusal: Refusal, sent: Json) -> list[Change]:
    """A refusal that names no field but speaks of contents or of schemas."""
    text = refusal.text.lower()
    if "content" in text and re.search(r"null|none|empty|required|string|missing", text):
        change = _change("messages.content", text, sent, ())
        return [change] if change else []
    if "additionalproperties" in text and "required" in text and sent.get("tools"):
        return [Change("close schemas")]
    roots = {part for sentence in refusal.sentences for place in sentence.places for part in place}
    about_tools = "schema" in text and re.search(r"function|tool|parameters", text)
    if sent.get("tools") and (about_tools or "tools" in roots):
        return [Change("bare schemas")]
    if sent.get("response_format") and "schema" in text:
        return [_about_format("response_format", sent["response_format"])]
    return []
