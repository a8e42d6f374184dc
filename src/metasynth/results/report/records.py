"""The records that a report's page can list, with the path of each through the graph."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from metasynth.memory.ledger import Call, Ledger
from metasynth.records.record import Record
from metasynth.text.words import excerpt

from .vectors import sampled

MOST_ACCEPTED = 2000
MOST_REJECTED = 500
_MOST_CHARACTERS = 4000  # of one record's text
_ALL_CHARACTERS = 6_000_000
_PATH_CHARACTERS = 3_000_000
_SAID_WORDS = 28
_SAID_CHARACTERS = 240


class Listed(NamedTuple):
    """The records that are listed: as data for the page, and as they are."""

    entries: tuple[dict[str, Any], ...]
    records: tuple[Record, ...]
    note: str


def listed(
    accepted: Sequence[Record],
    rejected: Sequence[Record],
    ledger: Path,
    *,
    references: Mapping[str, str],
) -> Listed:
    """What the page lists: all records, or so many drawn at random that the page still opens.

    Args:
        references: Texts of seeds and contexts by their ids.
    """
    chosen = [*sampled(accepted, MOST_ACCEPTED), *sampled(rejected, MOST_REJECTED)]
    length = sum(min(len(record.body), _MOST_CHARACTERS) for record in chosen)
    if length > _ALL_CHARACTERS:
        share = _ALL_CHARACTERS / length
        chosen = sampled(chosen, max(1, int(share * len(chosen))))
    entries = [_entry(record, references) for record in chosen]
    paths = _add_paths(entries, ledger)
    return Listed(tuple(entries), tuple(chosen), _note(chosen, accepted, rejected, paths))


def _note(
    chosen: Sequence[Record], accepted: Sequence[Record], rejected: Sequence[Record], paths: int
) -> str:
    parts = []
    whole = len(accepted) + len(rejected)
    if len(chosen) < whole:
        parts.append(
            f"The page holds {len(chosen):,} of {whole:,} records, drawn at random; "
            "the counts are of all of them."
        )
    cut = sum(len(record.body) > _MOST_CHARACTERS for record in chosen)
    if cut:
        parts.append(f"{cut:,} longer texts are cut at {_MOST_CHARACTERS:,} characters.")
    if paths < len(chosen):
        parts.append(
            f"The path is here for the first {paths:,}; "
            "`metasynth explain` has it for every record."
        )
    return " ".join(parts)


def _entry(record: Record, references: Mapping[str, str]) -> dict[str, Any]:
    made, near, checked = record.generation, record.novelty, record.checker
    entry: dict[str, Any] = {
        "id": record.id,
        "ok": record.reason is None,
        "reason": record.reason,
        "topic": record.topic,
        "genre": record.genre,
        "persona": record.persona,
        "source": record.source,
        "keywords": ", ".join(record.keywords),
        "summary": excerpt(record.summary, 60) if record.summary != record.body else "",
        "experts": list(record.experts),
        "refusals": list(record.refusals),
        "from": [
            [id_, excerpt(references.get(id_, ""), 40)]
            for id_ in (*record.seed_ids, *record.parent_ids)
        ],
        "near": [near.nearest_id, near.distance] if near and near.nearest_id else None,
        "checked": [checked.passed, checked.detail] if checked else None,
        "scores": [
            [what, score.criterion, score.score, score.round]
            for what, score in (("record", record.student), ("seed", record.seed_score))
            if score is not None
        ],
        "models": ", ".join(sorted(set(made.models.values()))),
        "cost": [made.calls, made.tokens_in, made.tokens_out, made.usd],
    }
    if record.text is None and record.messages:
        left = _MOST_CHARACTERS
        turns = []
        for message in record.messages:
            turns.append([message.role, message.content[:left]])
            left = max(0, left - len(message.content))
        entry["turns"] = turns
    else:
        entry["text"] = record.body[:_MOST_CHARACTERS]
    entry["cut"] = len(record.body) > _MOST_CHARACTERS
    return {key: value for key, value in entry.items() if value not in (None, "", [], False)}


def _add_paths(entries: Sequence[dict[str, Any]], path: Path) -> int:
    """Give each entry its calls in order, while there is room; how many have been looked up."""
    if not path.exists():
        return len(entries)
    used = 0
    with closing(Ledger(path, read_only=True)) as ledger:
        for number, entry in enumerate(entries):
            if used > _PATH_CHARACTERS:
                return number
            if calls := _path(ledger.calls_of(entry["id"])):
                entry["path"] = calls
                used += sum(80 + len(call[-1]) for call in calls)
    return len(entries)


def _path(calls: Sequence[Call]) -> list[list[Any]]:
    """Agent, start and length in seconds, tokens in and out, dollars, and what was said."""
    ends = [datetime.fromisoformat(call.created_at).timestamp() for call in calls]
    starts = [end - call.seconds for end, call in zip(ends, calls, strict=True)]
    first = min(starts, default=0.0)
    return [
        [
            call.agent,
            round(start - first, 3),
            round(call.seconds, 3),
            call.tokens_in,
            call.tokens_out,
            call.usd,
            _said(call),
        ]
        for start, call in sorted(zip(starts, calls, strict=True), key=lambda pair: pair[0])
    ]


def _said(call: Call) -> str:
    """What the model asked for, or else the beginning of what it wrote."""
    asked = [_asked(made["name"], made["args"]) for made in call.response.tool_calls]
    said = " · ".join(asked) or str(call.response.text).strip()
    return excerpt(said, _SAID_WORDS)[:_SAID_CHARACTERS]


def _asked(name: str, given: Mapping[str, Any]) -> str:
    """A tool call in a few words; a consultation by the name of the expert."""
    rest = dict(given)
    start = f"→ {str(rest.pop('expert')).replace('_', ' ')}:" if "expert" in rest else name
    values = [
        ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for value in rest.values()
        if value not in (None, "", [])
    ]
    return f"{start} {' · '.join(values)}" if values else start
