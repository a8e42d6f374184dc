"""Traces to a collector: only where OpenTelemetry's own environment variables name one."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from metasynth.errors import RequestError

from .spans import Span, Value

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"
_LOGGER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def collector_of(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names a collector, and the address without what is secret in it.

    None where none is named, or where OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER say not to send.
    """
    exporters = environment.get("OTEL_TRACES_EXPORTER", "otlp").replace(" ", "").split(",")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or "otlp" not in exporters:
        return None
    for name in _ENDPOINTS:
        if address := environment.get(name, "").strip():
            parts = urlsplit(address)
            host = parts.netloc.rpartition("@")[2]
            return name, urlunsplit((parts.scheme, host, parts.path, "", ""))
    return None


class Exporter:
    """Sends spans to the collector that the environment names, in a thread of its own.

    A collector that does not answer costs a run nothing but its spans there; what the SDK says
    about it is logged, without secrets.

    Args:
        variable: Which one names it, for the error message.
        environment: Its variables.
        clean: Takes secrets out of what is logged.

    Raises:
        RequestError: The package that speaks to it is missing, or it is to be spoken to in another
            protocol than OTLP over HTTP.
    """

    def __init__(
        self, variable: str, environment: Mapping[str, str], *, clean: Callable[[str], str]
    ) -> None:
        wanted = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _SPOKEN)
        if wanted != _SPOKEN:
            raise RequestError(
                f"{variable}: traces are sent as {_SPOKEN}, not as {wanted}",
                hint="name the collector's HTTP port (mostly 4318), or OTEL_TRACES_EXPORTER=none",
                code="unsupported_protocol",
            )
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ModuleNotFoundError:
            raise RequestError(
                f"{variable} names a collector, and the package that sends to it is not installed",
                hint="pip install 'metasynth-agents[otlp]', or set OTEL_TRACES_EXPORTER=none",
                code="missing_package",
            ) from None
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._quiet = _WithoutSecrets(clean)
        logging.getLogger(_LOGGER).addFilter(self._quiet)
        self._processor: SpanProcessor = BatchSpanProcessor(OTLPSpanExporter())
        self._resource: Resource | None = None

    def send(self, span: Span, resource: Mapping[str, Value]) -> None:
        """Queue a span; it is sent within seconds, with others."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        if self._resource is None:  # one a run; what the environment adds to it is read here
            self._resource = Resource.create({**resource})

        def context(span_id: str) -> SpanContext:
            flags = TraceFlags(TraceFlags.SAMPLED)
            return SpanContext(int(span.trace_id, 16), int(span_id, 16), False, flags)

        failed = Status(StatusCode.ERROR, span.error) if span.error else Status()
        told = ReadableSpan(
            span.name,
            context=context(span.span_id),
            parent=context(span.parent_id) if span.parent_id else None,
            resource=self._resource,
            attributes={**span.attributes},
            kind=SpanKind(span.kind - 1),  # the SDK counts from 0, OTLP from 1
            status=failed,
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=InstrumentationScope("metasynth"),
        )
        self._processor.on_end(told)

    def close(self) -> None:
        """Send what is queued, and wait until it is gone or the exporter gives up."""
        self._processor.shutdown()
        logging.getLogger(_LOGGER).removeFilter(self._quiet)


class _WithoutSecrets(logging.Filter):
    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__()
        self._clean = clean

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._clean(record.getMessage()), None
        return True
