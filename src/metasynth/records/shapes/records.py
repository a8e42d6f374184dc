"""Records as they stand in `corpus.jsonl`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.shape import LINEAGE, MESSAGES, Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record


@shape(
    "all fields of the record; in tables, what varies in shape (`novelty`, `checker`, …) is JSON",
    columns={
        "id": "string",
        "kind": "string",
        "text": "string",
        "messages": MESSAGES,
        **{name: type_ for name, type_ in LINEAGE.items() if name not in ("id", "kind")},
        "keywords": ["string"],
        "summary": "string",
        "revisions": "int",
        "refusals": ["string"],
        "rejected_answers": [
            {"turn": "int", "content": "string", "by": "string", "reason": "string"},
        ],
        "reasoning": ["string"],
        "novelty": "json",
        "student": "json",
        "seed_score": "json",
        "checker": "json",
        "generation": "json",
        "created_at": "string",
    },
    readers="metasynth, and whoever wants to choose records by what is known of them",
    lineage=False,
)
def records(record: "Record") -> Iterator[Row]:
    """A row a record."""
    yield record.model_dump(mode="json", exclude_none=True)
