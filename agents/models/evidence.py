"""What a failed call carries, whichever package raised it: status, headers, body, words.

The packages of providers have exceptions of their own, and some endpoints send their errors with
status 200. What all of them have is a body of JSON or text, mostly a code, and sometimes headers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from metasynth.nested import named_values

_CODES: Mapping[str, int] = {
    # OpenAI and its like
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "server_error": 500,
    "internal_server_error": 500,
    # Anthropic
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
    "timeout_error": 504,
    # Google
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
    # Bedrock
    "validationexception": 400,
    "accessdeniedexception": 403,
    "unrecognizedclientexception": 401,
    "expiredtokenexception": 401,
    "resourcenotfoundexception": 404,
    "throttlingexception": 429,
    "toomanyrequestsexception": 429,
    "modelnotreadyexception": 429,
    "servicequotaexceededexception": 429,
    "internalserverexception": 500,
    "modelerrorexception": 500,
    "serviceunavailableexception": 503,
    "modeltimeoutexception": 504,
}
_PAGE = re.compile(r"^\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_WORDS = ("message", "detail", "error_description", "msg", "error", "reason", "title", "raw")
_KEY = re.compile(r"\bsk-[\w*.-]{4,}")


@dataclass(frozen=True)
class Evidence:
    """What is known of a failure.

    Attributes:
        status: Of HTTP, or what the body says instead where that was sent with a success; None
            where there was no answer.
        sent_status: What HTTP itself said.
        headers: With names in lower case.
        body: Parsed JSON, else a text, else None.
        url: Where the answer came from; "" where that is unknown.
        words: The error's own, where the body has none.
    """

    status: int | None = None
    sent_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    url: str = ""
    words: str = ""

    @property
    def is_page(self) -> bool:
        """Whether a web page came, for a person to look at."""
        kind = self.headers.get("content-type", "")
        text = self.body if isinstance(self.body, str) else ""
        return bool(_PAGE.match(text)) or ("text/html" in kind and "<" in text)

    @property
    def is_text(self) -> bool:
        """Whether something came that neither is JSON nor was begun as JSON."""
        text = self.body if isinstance(self.body, str) else ""
        return bool(text.strip()) and not text.lstrip().startswith(("{", "["))

    @property
    def target(self) -> str:
        """Where a redirect leads; "" where it is none."""
        location = self.headers.get("location", "")
        return (
            urljoin(self.url, location) if location and (self.sent_status or 0) // 100 == 3 else ""
        )

    @property
    def sentence(self) -> str:
        """The server's own words on one line, without anything that looks like a key."""
        words = self._page_words() if self.is_page else _words_of(self.body)
        return one_line(words or self.words or "no message")

    @property
    def text(self) -> str:
        """All that was said, in small letters, to look for signs in."""
        body = self.body if isinstance(self.body, str) else json.dumps(self.body, default=str)
        return f"{self.words} {body}".lower()

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every key of the body with its value, however deep."""
        yield from named_values(self.body)

    def _page_words(self) -> str:
        title = _TITLE.search(self.body)
        return f"a web page, “{' '.join(title[2].split())}”" if title else "a web page"


def evidence_of(error: BaseException) -> Evidence:
    """What an exception, or what it was made from, carries."""
    seen: list[Evidence] = []
    cause: BaseException | None = error
    while cause is not None and len(seen) < 8:
        seen.append(_evidence(cause))
        cause = cause.__cause__ or cause.__context__
    return next((each for each in seen if each.status is not None), seen[0])


def one_line(text: str, length: int = 240) -> str:
    """A text on one line, without keys and not too long."""
    flat = _KEY.sub("sk-…", " ".join(text.split()))
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _evidence(error: BaseException) -> Evidence:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None)
    status = _status(getattr(error, "status_code", None)) or _status(
        getattr(response, "status_code", None)
    )
    body = _first_body(error, response)
    if isinstance(response, Mapping):  # botocore's
        meta = response.get("ResponseMetadata") or {}
        status, body = _status(meta.get("HTTPStatusCode")), response.get("Error")
        headers = meta.get("HTTPHeaders")
    if status is None:  # Google's packages; a text in `code` is no status of HTTP
        status = _status(getattr(error, "code", None))
    if status is None and isinstance(getattr(error, "doc", None), str):
        status = 200  # an answer that was taken for one, and is no JSON
    inner = _inner_status(body)
    return Evidence(
        status=inner if inner is not None and (status is None or status < 300) else status,
        sent_status=status,
        headers={str(name).lower(): str(value) for name, value in dict(headers or {}).items()},
        body=body,
        url=str(getattr(response, "url", "") or ""),
        words=str(error),
    )


def _first_body(error: BaseException, response: Any) -> Any:
    """The body, parsed where it is JSON; lists of one are unpacked."""
    doc = getattr(error, "doc", None)  # what a JSON parser stumbled over
    argument = error.args[0] if error.args and isinstance(error.args[0], Mapping) else None
    candidates = (
        getattr(error, "body", None),
        getattr(error, "details", None),
        argument,
        _text(response),
        doc,
    )
    for candidate in candidates:
        body = _parsed(candidate)
        if body not in (None, "", [], {}):
            return body
    return None


def _text(response: Any) -> str | None:
    try:
        text = getattr(response, "text", None)
    except Exception:  # a stream that was not read; each package has its own
        return None
    return text if isinstance(text, str) else None


def _parsed(body: Any) -> Any:
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return body
    while isinstance(body, list) and len(body) == 1:
        body = body[0]
    return body


def _inner_status(body: Any) -> int | None:
    """The status that a body speaks of."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    parts = [inner, body] if isinstance(inner, Mapping) else [body]
    for part in parts:
        for name in ("code", "status", "status_code", "type", "Code"):
            value = part.get(name)
            if (status := _status(value)) is not None and status >= 400:
                return status
            if isinstance(value, str) and (known := _CODES.get(value.lower())) is not None:
                return known
    return None


def _status(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if 100 <= number <= 599 else None


def _words_of(body: Any, depth: int = 0) -> str:
    """The sentence in a body, whatever key it stands under."""
    if isinstance(body, str):
        inner = _parsed(body) if body.lstrip().startswith(("{", "[")) else body
        return body if isinstance(inner, str) or depth > 3 else _words_of(inner, depth + 1)
    if isinstance(body, list):
        return "; ".join(filter(None, (_words_of(item, depth + 1) for item in body[:3])))
    if not isinstance(body, Mapping) or depth > 4:
        return ""
    error = body.get("error")
    if isinstance(error, Mapping | list) and (words := _words_of(error, depth + 1)):
        return words
    small = {str(name).lower(): value for name, value in body.items()}
    words = next((text for name in _WORDS if (text := _words_of(small.get(name), depth + 1))), "")
    raw = _words_of((small.get("metadata") or {}), depth + 1) if depth < 3 else ""
    if raw and raw not in words:  # a router's, with the words of who is behind it
        words = f"{words}: {raw}" if words else raw
    return words or (json.dumps(body, default=str) if depth == 0 else "")
