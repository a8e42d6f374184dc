"""The traces of a run directory, read record by record, beside a run that may still go on."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.ids import full_id
from metasynth.records.rundir import RunDirectory

from .file import read_spans
from .spans import Span, busy_seconds


@dataclass(frozen=True)
class Used:
    """What model calls used; replayed ones nothing. `usd` is None where no call has a price."""

    calls: int = 0
    replayed: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    usd: float | None = None

    def __add__(self, other: "Used") -> "Used":
        prices = [usd for usd in (self.usd, other.usd) if usd is not None]
        return Used(
            self.calls + other.calls,
            self.replayed + other.replayed,
            self.failed + other.failed,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.seconds + other.seconds,
            sum(prices) if prices else None,
        )


@dataclass(frozen=True)
class RecordTrace:
    """A record's spans, the earliest first, and what they come to.

    Attributes:
        record_id: The record; "" for what the run did that belongs to none.
        status: accepted, rejected, held (it waits for the student's choice) or in work.
        reason: Why it was rejected.
        used: By its calls; the seconds are those in which anything of the record was under way.
    """

    trace_id: str
    record_id: str
    status: str
    reason: str
    spans: tuple[Span, ...]
    used: Used


def read_traces(root: Path) -> list[RecordTrace]:
    """The traces of a run, in the order in which they began; the run's own comes last.

    Raises:
        RequestError: It is no run directory, or has no traces.
        MetaSynthError: A line of its traces or records is damaged.
    """
    directory = RunDirectory(root)
    if not directory.run_file.exists():
        raise RequestError(f"{root}: no run directory (it has no run.yaml)", code="no_run")
    if not directory.traces.exists():
        raise RequestError(
            f"{root}: has no traces (they are kept since a later version than made it)",
            hint=f"`metasynth explain {root} ID` tells a record's calls",
            code="no_traces",
        )
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for _, span in read_spans(directory.traces):
        by_trace[span.trace_id].append(span)
    ended = _ended(root)
    found = [_trace(spans, ended) for spans in by_trace.values()]
    return sorted(found, key=lambda one: (not one.record_id, one.spans[0].start, one.record_id))


def find_trace(traces: Sequence[RecordTrace], given: str, *, root: Path) -> RecordTrace:
    """The trace of the record with this id, or whose id alone begins or ends so.

    Raises:
        RequestError: There is none (code `no_record`), or several (`ambiguous_id`).
    """
    records = {one.record_id: one for one in traces if one.record_id}
    return records[full_id(list(records), given, where=str(root))]


def used_by(spans: Iterable[Span]) -> Used:
    """What the model calls among the spans used, in the seconds of the calls."""
    return sum(map(_used, spans), Used())


def _used(span: Span) -> Used:
    told = span.attributes
    if told.get("gen_ai.operation.name") != "chat":
        return Used()
    if span.error:
        return Used(failed=1, seconds=span.seconds)
    if told.get("metasynth.replayed"):
        return Used(replayed=1)
    usd = told.get("metasynth.usd")
    return Used(
        calls=1,
        tokens_in=_number(told.get("gen_ai.usage.input_tokens")),
        tokens_out=_number(told.get("gen_ai.usage.output_tokens")),
        seconds=span.seconds,
        usd=float(usd) if isinstance(usd, int | float) else None,
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _trace(spans: list[Span], ended: dict[str, str | None]) -> RecordTrace:
    spans.sort(key=lambda span: (span.start, span.end))
    record_id = str(spans[0].attributes.get("metasynth.record.id", ""))
    root = next((span for span in spans if not span.parent_id), None)
    status = str(root.attributes.get("metasynth.outcome", "")) if root else ""
    reason = str(root.attributes.get("metasynth.reason", "")) if root else ""
    if record_id in ended:  # a choice that came later has the last word
        reason = ended[record_id] or ""
        status = "rejected" if reason else "accepted"
    parts = [span for span in spans if span.parent_id]
    used = used_by(parts)
    busy = busy_seconds(parts)
    used = Used(
        used.calls, used.replayed, used.failed, used.tokens_in, used.tokens_out, busy, used.usd
    )
    return RecordTrace(
        spans[0].trace_id, record_id, status or "in work", reason, tuple(spans), used
    )


def _ended(root: Path) -> dict[str, str | None]:
    """The records that ended, with the reason of those that were rejected.

    Only these two fields are read, and a line that is being written just now is not.
    """
    ended: dict[str, str | None] = {}
    for path in (root / "corpus.jsonl", root / "rejected.jsonl"):
        if not path.exists():
            continue
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if line.endswith(b"\n"):
                        record = json.loads(line)
                        ended[record["id"]] = record.get("reason")
                except (ValueError, KeyError, TypeError) as error:
                    raise MetaSynthError(
                        f"{path}, line {number}: not a record ({error})", code="bad_record"
                    ) from None
    return ended
