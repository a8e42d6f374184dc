"""When an endpoint says that one may come back: in headers, in the body, or in its sentence."""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .evidence import Evidence

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = (
    r"\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
    r"(?![a-z])"
)
_DURATION = rf"{_PART}(?:\s*(?:,|and)?\s*{_PART})*"
_SAID = re.compile(
    rf"\b(?:again|retry|retrying|wait|resets?|available|back)\b[^.\d]{{0,40}}?({_DURATION})",
    re.IGNORECASE,
)
_SECONDS = re.compile(r"\bretry[ -]after\W{0,3}(\d+(?:\.\d+)?)\b(?!\s*[a-z])", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:again|retry|resets?|until|available)\b[^\d]{0,30}?"
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| ?UTC|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
_KEYS = frozenset(
    {"retryafter", "retryafterseconds", "retryaftersec", "retryafters", "retryafterms"}
    | {"retrydelay", "retryin", "waitseconds", "waittime", "cooldown", "retryafterinseconds"}
)
_RESETS = re.compile(r"^(?:x-|anthropic-)?ratelimit-(?:.*-)?reset(?:-.*)?$")


def wait_asked_s(evidence: Evidence, *, now: float | None = None) -> float | None:
    """Seconds that a refusal asks to wait; None where nothing in it says.

    Args:
        now: Seconds since 1970, where the server did not send its date.
    """
    now = time.time() if now is None else now
    waits = (
        retry_after_s(evidence.headers, now=now),
        _in_body(evidence),
        _in_words(evidence.sentence, now),
        _in_words(evidence.text, now),
        _resets(evidence.headers, now),
        _resets(_inner_headers(evidence), now),
    )
    return next((wait for wait in waits if wait is not None), None)


def duration_s(text: str) -> float | None:
    """The seconds in a text such as `37s`, `6m0s`, `1 hour 5 minutes`; None where it is none."""
    if not re.fullmatch(_DURATION, text.strip(), re.IGNORECASE):
        return None
    return sum(float(number) * _unit(unit) for number, unit in _PIECE.findall(text))


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


def _unit(name: str) -> float:
    small = name.lower()
    return _UNITS["ms" if small.startswith(("ms", "milli")) else small[0]]


def _in_body(evidence: Evidence) -> float | None:
    """Google's `retryDelay: 37s`, `retry_after: 20`, `retry_after_ms`, and their like."""
    for key, value in evidence.items():
        name = re.sub(r"[^a-z]", "", key.lower())
        if name in _KEYS and (wait := _seconds(value, ms=name.endswith("ms"))) is not None:
            return wait
    return None


def _seconds(value: Any, *, ms: bool) -> float | None:
    if isinstance(value, Mapping):  # a duration of protobuf
        parts = [value.get("seconds"), value.get("nanos")]
        if not any(isinstance(part, int | str) for part in parts):
            return None
        value = float(parts[0] or 0) + float(parts[1] or 0) / 1e9
    if isinstance(value, str) and (wait := duration_s(value)) is not None:
        return wait
    try:
        seconds = float(value) * (0.001 if ms else 1.0)
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _in_words(text: str, now: float) -> float | None:
    if said := _SAID.search(text):
        return duration_s(said[1])
    if seconds := _SECONDS.search(text):
        return float(seconds[1])
    if when := _WHEN.search(text):
        return _until(when[1], now)
    return None


def _until(moment: str, now: float) -> float | None:
    text = re.sub(r" ?UTC$", "Z", moment.strip(), flags=re.IGNORECASE)
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    zone = "" if at.tzinfo else "+00:00"
    return max(0.0, datetime.fromisoformat(at.isoformat() + zone).timestamp() - now)


def _inner_headers(evidence: Evidence) -> dict[str, str]:
    """The headers that a router repeats in its body."""
    inner = next((value for key, value in evidence.items() if key.lower() == "headers"), None)
    if not isinstance(inner, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in inner.items()}


def _resets(headers: Mapping[str, str], now: float) -> float | None:
    """`x-ratelimit-reset-tokens: 6m0s` and its like: the longest of those that are used up."""
    waits: dict[bool, list[float]] = {True: [], False: []}
    for name, value in headers.items():
        if _RESETS.match(name) and (wait := _reset_s(value, now)) is not None:
            left = headers.get(name.replace("reset", "remaining"), "")
            waits[left.strip() in ("0", "0.0")].append(wait)
    if waits[True]:
        return max(waits[True])
    return min(waits[False], default=None)


def _reset_s(value: str, now: float) -> float | None:
    """A duration, seconds from now, seconds or milliseconds since 1970, or a date."""
    if (wait := duration_s(value)) is not None:
        return wait
    try:
        number = float(value)
    except ValueError:
        return _until(value, now)
    if number > 1e11:
        return max(0.0, number / 1000 - now)
    return max(0.0, number - now) if number > 1e9 else max(0.0, number)
