"""`traces.jsonl`: the spans of a run, each written once, as a whole line, when it has ended."""

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from metasynth.errors import MetaSynthError
from metasynth.memory.lines import LineFile

from .spans import Span, Value, parse_line, span_id_of, span_line, trace_id_of

_RUN = "service.instance.id"
_RECORD = "metasynth.record.id"


class TraceFile:
    """The traces of one run directory, new or gone on with.

    A line is with the operating system before `add` returns, so it outlives the process. Ids are
    held for records that have not ended; of those that have, the trace alone.

    Args:
        resource: What is said of the run, once in a start.
        clean: Takes secrets out of each text before it is written.
        also: Is given each span that was written, free of secrets, with its resource.

    Raises:
        RequestError: The file cannot be written (code `not_writable`).
        MetaSynthError: A line of it is broken (code `bad_line`); names the line.
    """

    def __init__(
        self,
        path: Path,
        resource: Mapping[str, Value],
        *,
        clean: Callable[[str], str] = str,
        also: Callable[[Span, Mapping[str, Value]], None] | None = None,
    ) -> None:
        self.path = path
        self._clean = clean
        self._also = also
        self._lock = threading.Lock()
        self._ended: set[str] = set()
        self._open: dict[str, set[str]] = defaultdict(set)
        self._began: dict[str, int] = {}
        self._records: dict[str, str] = {}
        self._named = False
        self.run = ""
        self._file = LineFile(path, synced=False)
        try:
            for resource_of, span in read_spans(path):
                self.run = str(resource_of.get(_RUN, ""))
                self._note(span)
        except BaseException:
            self._file.close()
            raise
        self.run = self.run or uuid.uuid4().hex
        self.resource = {**resource, _RUN: self.run}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, span: Span) -> bool:
        """Write a span; False, and nothing happens, if it or its record's end is there.

        Raises:
            MetaSynthError: It cannot be written.
        """
        with self._lock:
            if self._file.closed:  # a call that ended after the run was closed
                return False
            if span.trace_id in self._ended or span.span_id in self._open.get(span.trace_id, ()):
                return False
            span = _cleaned(span, self._clean)
            self._file.append(span_line(span, None if self._named else self.resource))
            self._named = True
            self._note(span)
            if self._also is not None:
                self._also(span, self.resource)
            return True

    def trace_of(self, record_id: str) -> str:
        """The trace id of a record of this run; "" is the run itself."""
        return trace_id_of(self.run, record_id)

    def began(self, trace_id: str) -> int | None:
        """When the first span of a trace that has not ended began."""
        return self._began.get(trace_id)

    def unended(self) -> dict[str, int]:
        """The records that have spans and no end, with the time at which the last span ended."""
        return {self._records[trace]: last for trace, last in self._last().items()}

    def _last(self) -> dict[str, int]:
        wanted = {trace: 0 for trace in self._open if trace in self._records}
        if wanted:
            for _, span in read_spans(self.path):
                if span.trace_id in wanted:
                    wanted[span.trace_id] = max(wanted[span.trace_id], span.end)
        return wanted

    def _note(self, span: Span) -> None:
        trace = span.trace_id
        if record_id := str(span.attributes.get(_RECORD, "")):
            self._records[trace] = record_id
        if span.span_id == span_id_of(trace, ""):
            self._ended.add(trace)
            for known in (self._open, self._began, self._records):
                known.pop(trace, None)
            return
        self._open[trace].add(span.span_id)
        self._began[trace] = min(span.start, self._began.get(trace, span.start))


def read_spans(path: Path) -> Iterator[tuple[dict[str, Value], Span]]:
    """Each span of a file with its resource; a last line that is being written is left out.

    Raises:
        MetaSynthError: A line is no OTLP/JSON; names it.
    """
    if not path.exists():
        return
    resource: dict[str, Value] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                named, spans = parse_line(line)
            except ValueError as error:
                raise MetaSynthError(
                    f"{path}, line {number}: {error}",
                    hint="remove the line and run again",
                    code="bad_line",
                ) from error
            resource = named or resource
            for span in spans:
                yield resource, span


def _cleaned(span: Span, clean: Callable[[str], str]) -> Span:
    told = {key: _clean_value(value, clean) for key, value in span.attributes.items()}
    return replace(span, name=clean(span.name), attributes=told, error=clean(span.error))


def _clean_value(value: Value, clean: Callable[[str], str]) -> Value:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool | int | float):
        return value
    return [clean(each) for each in value]
