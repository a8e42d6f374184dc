"""Spans in OpenTelemetry's own form: one `resourceSpans` object of OTLP/JSON a line.

Resource and scope, which all spans of a start share, stand in its first line; what a field leaves
out is OTLP's default.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metasynth.version import code_version

Value = str | bool | int | float | Sequence[str]

INTERNAL, CLIENT = 1, 3  # OTLP's kinds of span
_ERROR = 2  # OTLP's status code


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time, in a trace; ids in hexadecimal, times in ns since 1970.

    `error` is what went wrong, "" where nothing did.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    kind: int = INTERNAL
    error: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e9


def trace_id_of(run: str, record_id: str) -> str:
    """The trace of a record: the same on every start of the run. "" is the run itself."""
    return hashlib.sha256(f"{run}\n{record_id}".encode()).hexdigest()[:32]


def span_id_of(trace_id: str, place: str) -> str:
    """The span of a place in a trace; "" is the root."""
    return hashlib.sha256(f"{trace_id}\n{place}".encode()).hexdigest()[:16]


def span_line(span: Span, resource: Mapping[str, Value] | None = None) -> bytes:
    """The span as a whole line.

    Args:
        resource: What it belongs to; None where an earlier line says it.
    """
    told: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(span.attributes),
        "status": {"code": _ERROR, "message": span.error} if span.error else {},
    }
    if not span.parent_id:
        del told["parentSpanId"]
    if not span.error:
        del told["status"]
    scoped: dict[str, Any] = {"spans": [told]}
    resourced: dict[str, Any] = {"scopeSpans": [scoped]}
    if resource is not None:
        scoped = {"scope": {"name": "metasynth", "version": code_version()}, **scoped}
        resourced = {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped]}
    text = json.dumps({"resourceSpans": [resourced]}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def parse_line(line: bytes) -> tuple[dict[str, Value], list[Span]]:
    """A line's resource, {} where an earlier line says it, and its spans.

    Raises:
        ValueError: It is no line of OTLP/JSON.
    """
    resource: dict[str, Value] = {}
    spans: list[Span] = []
    try:
        for resourced in json.loads(line)["resourceSpans"]:
            resource = _parsed(resourced.get("resource", {}).get("attributes", ()))
            for scoped in resourced["scopeSpans"]:
                spans += map(_span, scoped["spans"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not OTLP/JSON ({error!r})") from error
    return resource, spans


def busy_seconds(spans: Sequence[Span]) -> float:
    """How long at least one of the spans lasted."""
    busy, until = 0, 0
    for start, end in sorted((span.start, span.end) for span in spans):
        busy += max(0, end - max(start, until))
        until = max(until, end)
    return busy / 1e9


def _span(told: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=told["traceId"],
        span_id=told["spanId"],
        parent_id=told.get("parentSpanId", ""),
        name=told["name"],
        start=int(told["startTimeUnixNano"]),
        end=int(told["endTimeUnixNano"]),
        attributes=_parsed(told.get("attributes", ())),
        kind=told.get("kind", INTERNAL),
        error=told.get("status", {}).get("message", ""),
    )


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _typed(value)} for key, value in values.items()]


def _typed(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # 64 bits are a string in protobuf's JSON
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_typed(each) for each in value]}}


def _parsed(attributes: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    return {each["key"]: value for each in attributes for value in _values(each["value"])}


def _values(told: Mapping[str, Any]) -> Iterator[Any]:
    for kind, value in told.items():
        if kind == "intValue":
            yield int(value)
        elif kind == "arrayValue":
            yield [each for one in value.get("values", ()) for each in _values(one)]
        else:
            yield value
