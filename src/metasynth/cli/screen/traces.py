"""Traces on a terminal: a table of records, and the tree of one."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from metasynth.memory.traces.spans import Span
from metasynth.memory.traces.traced import RecordTrace, Used, used_by
from metasynth.text.words import excerpt

from .terminal import tell

_OF_A_TURN = ("consult", "sample")
_REASON_WORDS = 12
_NAMES = "metasynth."


def tell_table(traces: Sequence[RecordTrace], directory: Path) -> None:
    """A row a record, the run's own calls, and the sum."""
    records = [one for one in traces if one.record_id]
    rows = [["record", "status", "calls", "tokens in", "out", "seconds", "price", ""]]
    rows += [[one.record_id, one.status, *_cells(one.used), _reason(one)] for one in records]
    own = [one for one in traces if not one.record_id and one.used.calls]
    rows += [["(the run)", "", *_cells(used_by(one.spans)), ""] for one in own]
    whole = sum((one.used for one in [*records, *own]), Used())
    rows.append([f"{len(records)} in all", _statuses(records), *_cells(whole), ""])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row[:-1], widths, strict=True))
        ]
        tell("  ".join([*cells, row[-1]]).rstrip())
    if whole.failed or whole.replayed:
        tell(f"{whole.failed} calls gave no answer, {whole.replayed} were answered by the ledger")
    if records:
        tell(f"\none record's path:  metasynth trace {directory} {records[-1].record_id}")


def tell_tree(trace: RecordTrace) -> None:
    """A record's path: turns with their experts and tools, gate, student, admission."""
    reason = f", {trace.reason}" if trace.reason else ""
    tell(f"{trace.record_id}: {trace.status}{reason}")
    tell(f"  {_spent(trace.used)}")
    tell(f"  trace {trace.trace_id}")
    children = _children(trace.spans)
    roots = [span for span in trace.spans if not span.parent_id]
    top = children[roots[0].span_id] if roots else children[""]
    lines = list(_lines(top, children, ""))
    width = max((len(left) for left, _ in lines), default=0)
    for left, right in lines:
        tell(f"{left.ljust(width)}  {right}".rstrip())


def tell_json(traces: Sequence[RecordTrace], *, spans: bool) -> None:
    """The same for machines; with all spans of each trace, or with its sums alone."""
    told = [_plain(one, spans=spans) for one in traces]
    tell(json.dumps(told[0] if spans else {"records": told}, indent=2, ensure_ascii=False))


def _plain(trace: RecordTrace, *, spans: bool) -> dict[str, Any]:
    used = trace.used
    told: dict[str, Any] = {
        "record": trace.record_id or None,
        "trace_id": trace.trace_id,
        "status": trace.status if trace.record_id else "run",
        "reason": trace.reason or None,
        "calls": used.calls,
        "replayed": used.replayed,
        "failed": used.failed,
        "tokens_in": used.tokens_in,
        "tokens_out": used.tokens_out,
        "seconds": round(used.seconds, 6),
        "usd": used.usd,
    }
    if spans:
        told["spans"] = [
            {
                "span_id": span.span_id,
                "parent_id": span.parent_id or None,
                "name": span.name,
                "start_ns": span.start,
                "end_ns": span.end,
                "error": span.error or None,
                "attributes": dict(span.attributes),
            }
            for span in trace.spans
        ]
    return told


def _children(spans: Sequence[Span]) -> dict[str, list[Span]]:
    """Spans by their parents; what a turn asked for stands under the turn.

    A parent that never ended, because the process was killed, is not there: what lies under it is
    shown under the record.
    """
    known = {span.span_id for span in spans}
    root = next((span.span_id for span in spans if not span.parent_id), "")
    children: dict[str, list[Span]] = defaultdict(list)
    turn = ""
    for span in spans:
        if not span.parent_id:
            continue
        node = span.attributes.get("metasynth.node")
        turn = span.span_id if node == "conductor" else turn
        parent = span.parent_id if span.parent_id in known else root
        if node in _OF_A_TURN and turn:
            parent = turn
        children[parent].append(span)
    return children


def _lines(
    spans: Sequence[Span], children: dict[str, list[Span]], indent: str
) -> Iterator[tuple[str, str]]:
    shown = [span for span in spans if not _is_idle(span)]
    for place, span in enumerate(shown):
        last = place == len(shown) - 1
        below = children.get(span.span_id, [])
        yield f"{indent}{'└─' if last else '├─'} {span.name}", _told(span)
        yield from _lines(below, children, indent + ("   " if last else "│  "))


def _is_idle(span: Span) -> bool:
    """Whether there is nothing to see: answering the conductor's calls takes no time."""
    told = span.attributes
    return told.get("metasynth.node") == "decide" and "metasynth.reason" not in told


def _told(span: Span) -> str:
    told = span.attributes
    parts = [f"{span.seconds:8.2f} s"]
    used = used_by([span])
    if used.calls:
        price = f"  ${used.usd:.6f}" if used.usd is not None else ""
        parts.append(f"{used.tokens_in:,} → {used.tokens_out:,} tokens{price}")
    if used.replayed:
        parts.append("answered by the ledger, at no cost")
    if span.error:
        parts.append(f"✗ {span.error}")
    for name, sign in (("asked", "→"), ("made", "→"), ("problem", "✗"), ("reason", "✗")):
        value = told.get(_NAMES + name)
        if isinstance(value, Sequence) and value:
            parts.append(f"{sign} {value if isinstance(value, str) else ', '.join(value)}")
    return "  ".join(parts)


def _cells(used: Used) -> list[str]:
    return [
        f"{used.calls:,}",
        f"{used.tokens_in:,}",
        f"{used.tokens_out:,}",
        f"{used.seconds:,.1f}",
        "–" if used.usd is None else f"${used.usd:,.4f}",
    ]


def _spent(used: Used) -> str:
    told = (
        f"{used.calls} calls, {used.tokens_in:,} tokens in, {used.tokens_out:,} out, "
        f"{used.seconds:.1f} s"
    )
    if used.usd is not None:
        told += f", ${used.usd:.6f}"
    if used.replayed:
        told += f"; {used.replayed} more answered by the ledger"
    return told + (f"; {used.failed} gave no answer" if used.failed else "")


def _reason(trace: RecordTrace) -> str:
    return excerpt(trace.reason, _REASON_WORDS) if trace.reason else ""


def _statuses(records: Sequence[RecordTrace]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for one in records:
        counts[one.status] += 1
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
