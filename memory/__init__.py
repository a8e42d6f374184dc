"""What a run remembers: its records, its model calls, and a store that finds what is near."""

from typing import TYPE_CHECKING

from .corpus import Corpus
from .digest import Claim, Digest, Neighbour
from .journal import Journal
from .ledger import Call, CallKey, CallTag, Ledger, Price, Totals
from .messages import payload_hash
from .recorder import CallRecorder
from .records import RecordMemory
from .spans import Span, Value, busy_seconds, span_id_of
from .trace_file import TraceFile, read_spans
from .traced import RecordTrace, Used, find_trace, read_traces, used_by
from .tracer import NodeFacts, Tracer

if TYPE_CHECKING:
    from .store import ChromaStore
else:

    def __getattr__(name):
        if name == "ChromaStore":
            from .store import ChromaStore

            return ChromaStore
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Call",
    "CallKey",
    "CallRecorder",
    "CallTag",
    "ChromaStore",
    "Claim",
    "Corpus",
    "Digest",
    "Journal",
    "Ledger",
    "Neighbour",
    "NodeFacts",
    "Price",
    "RecordMemory",
    "RecordTrace",
    "Span",
    "Totals",
    "TraceFile",
    "Tracer",
    "Used",
    "Value",
    "busy_seconds",
    "find_trace",
    "payload_hash",
    "read_spans",
    "read_traces",
    "span_id_of",
    "used_by",
]
