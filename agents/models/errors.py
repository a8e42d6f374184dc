"""What an endpoint's failure means: whether another try can help, and what a person is told."""

import difflib
import email.utils
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx2
import openai
from langchain_core.exceptions import ContextOverflowError

from metasynth.agents.models.pacing.tries import Verdict
from metasynth.errors import ContextLimitError, ModelCallError, RefusedPromptError

_RETRIED_STATUS = frozenset({408, 409, 425, 429})
_OVERLOAD_STATUS = frozenset({502, 503, 504, 529})
_QUOTA_SIGNS = (
    "insufficient_quota",
    "billing_hard_limit",
    "billing_not_active",
    "exceeded your current quota",
)
_CONTEXT_SIGNS = (
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input tokens exceed",
)
_FILTER_SIGNS = (
    "content_filter",
    "content_policy_violation",
    "content management policy",
    "data_inspection_failed",
    "responsibleaipolicyviolation",
    "prompt_blocked",
)


def judge(error: Exception) -> Verdict:
    """What a failed try means for the next one.

    Raises:
        Exception: `error` itself, where it is no failure of the endpoint but a defect.
    """
    if isinstance(error, openai.APIStatusError):
        return _judge_status(error)
    if isinstance(error, openai.APITimeoutError | TimeoutError | httpx2.TimeoutException):
        if _caused_by(error, httpx2.ConnectTimeout):
            return Verdict("overloaded", "the connection was not accepted in time")
        return Verdict("overloaded", "no answer in time")
    if _caused_by(error, httpx2.ConnectError):
        return Verdict("overloaded", "connection refused")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return Verdict("failed", "the connection was cut before the answer was complete")
    if isinstance(error, ContextOverflowError) or _has_sign(error, _CONTEXT_SIGNS):
        return Verdict("final", _one_line(str(error)))
    if isinstance(error, openai.OpenAIError):  # among them an error event inside a stream
        return Verdict("failed", _one_line(str(error)))
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        # What ChatOpenAI and the SDK stumble over when the answer has not the form that it should.
        return Verdict("failed", f"no chat completion came back ({_one_line(str(error), 120)})")
    raise error


def _judge_status(error: openai.APIStatusError) -> Verdict:
    status = error.status_code
    text = f"{status}: {_server_words(error)}"
    if status == 429 and _has_sign(error, _QUOTA_SIGNS):
        return Verdict("final", text)
    if status == 501 or (status < 500 and status not in _RETRIED_STATUS):
        return Verdict("final", text)
    wait_s = retry_after_s(error.response.headers)
    if status == 429:
        return Verdict("refused", text, wait_s)
    return Verdict("overloaded" if status in _OVERLOAD_STATUS else "failed", text, wait_s)


def final_error(
    error: Exception | None,
    verdict: Verdict,
    *,
    endpoint: str,
    model: str,
    key_env: str,
    tries: int,
    offered: Sequence[str] = (),
) -> ModelCallError:
    """The one line that a person reads when a call has finally failed, and what to do about it.

    Args:
        error: What the last try raised; None where it only answered nothing.
        verdict: What it meant.
        endpoint: Address of the endpoint.
        model: Name of the model.
        key_env: Environment variable that holds the key.
        tries: How often it was tried.
        offered: Models that the endpoint has, where that was asked.
    """
    where = f"{model} at {public_url(endpoint)}"
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    if error is not None and _is_context_limit(error):
        return ContextLimitError(
            f"{where}: the prompt is longer than the model's context ({verdict.text})",
            hint="take a model with a larger context, or lower max_tokens and the word cap",
        )
    if error is not None and status in (400, 403, 422) and _has_sign(error, _FILTER_SIGNS):
        return RefusedPromptError(
            f"{where}: the prompt was turned down by a filter ({verdict.text})"
        )
    if status == 404:
        return _not_found(endpoint, model, verdict, offered)
    if status in _ADVICE:
        what, hint = _ADVICE[status]
        return ModelCallError(
            f"{where}: {what} ({verdict.text})", hint=hint.format(key_env=key_env)
        )
    if status == 429 and verdict.kind == "final":
        return ModelCallError(
            f"{where}: the account has no quota left ({verdict.text})",
            hint=f"check the plan and billing of the account behind {key_env}",
        )
    if verdict.kind == "final":
        return ModelCallError(
            f"{where}: the request was turned down ({verdict.text})",
            hint="check the teacher section of the run file: model, base_url, extra_body",
        )
    if _caused_by(error, httpx2.ConnectError, httpx2.ConnectTimeout):
        return ModelCallError(
            f"cannot reach {public_url(endpoint)} for {model}: {verdict.text}",
            hint="is the server running, and is base_url right?",
        )
    return ModelCallError(
        f"{where}: gave no answer in {tries} tries, last: {verdict.text}",
        hint="start the same command again later: it goes on where it stopped",
    )


_ADVICE = {
    401: ("wrong key", "set {key_env} to a key of this endpoint"),
    403: ("the key may not use this model", "check what the key in {key_env} is allowed to use"),
}


def _not_found(
    endpoint: str, model: str, verdict: Verdict, offered: Sequence[str]
) -> ModelCallError:
    url = public_url(endpoint)
    if not offered:
        return ModelCallError(
            f"no model called {model} at {url}, or no chat completions there ({verdict.text})",
            hint="check the model's name, and base_url, which mostly ends in /v1",
        )
    near = difflib.get_close_matches(model, offered, n=1)
    listed = ", ".join(offered[:8]) + (", …" if len(offered) > 8 else "")
    return ModelCallError(
        f"no model called {model} at {url}; it offers: {listed}",
        hint=f"did you mean {near[0]}?" if near else "write one of these names",
    )


def public_url(url: str) -> str:
    """An address without user name, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def retry_after_s(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that an answer's headers ask to wait; None where they do not say.

    Understands `retry-after-ms`, and `retry-after` as (fractional) seconds or as a date, which is
    taken against the server's own `date`, so that clocks need not agree.

    Args:
        headers: Of the answer, with names in lower case or case-insensitive.
        now: Seconds since 1970, where the server did not send its date.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    until = _timestamp(headers.get("retry-after"))
    if until is None:
        return None
    since = _timestamp(headers.get("date"))
    if since is None:
        since = time.time() if now is None else now
    return max(0.0, until - since)


def _timestamp(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _server_words(error: openai.APIStatusError) -> str:
    """The server's own message, on one line and without anything that looks like a key."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body.get("error") or body
    words = body if isinstance(body, str) else json.dumps(body) if body else ""
    if "<html" in words.lower() or not words.strip():
        words = error.response.reason_phrase or "no message"
    return _one_line(words)


def _one_line(text: str, length: int = 240) -> str:
    flat = re.sub(r"\bsk-[\w*.-]{4,}", "sk-…", " ".join(text.split()))
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _is_context_limit(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    if status not in (None, 400, 413, 422):
        return False
    return isinstance(error, ContextOverflowError) or _has_sign(error, _CONTEXT_SIGNS)


def _has_sign(error: Exception, signs: Sequence[str]) -> bool:
    text = f"{error} {getattr(error, 'body', '')}".lower()
    return any(sign in text for sign in signs)


def _caused_by(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__
    return False
