"""The corpus in the shapes that trainers read: `text` for pre-training, `messages` for chat."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metasynth.errors import MetaSynthError
from metasynth.records import Record, read_records
from metasynth.rundir import write_atomically


def export_corpus(directory: Path, path: Path, shape: str) -> int:
    """Write the accepted records of a run to `path`; how many there were.

    Raises:
        MetaSynthError: The corpus is empty or the target cannot be written.
    """
    rows = list(_rows(read_records(directory / "corpus.jsonl"), shape))
    if not rows:
        raise MetaSynthError(f"{directory}: the corpus is empty, there is nothing to export")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if shape in ("jsonl", "chat"):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            write_atomically(path, "".join(lines))
        else:
            _write_table(rows, path, shape)
    except OSError as error:
        raise MetaSynthError(f"{path}: cannot be written ({error.strerror})") from None
    return len(rows)


def _write_table(rows: list[dict[str, Any]], path: Path, shape: str) -> None:
    from datasets import Dataset  # type: ignore[import-untyped]

    table = Dataset.from_list(rows)
    if shape == "hf":
        table.save_to_disk(str(path))
        return
    partial = path.with_name(path.name + ".partial")
    table.to_parquet(str(partial))
    partial.replace(path)


def _rows(records: Iterator[Record], shape: str) -> Iterator[dict[str, Any]]:
    for record in records:
        if shape == "chat":
            yield {"id": record.id, "messages": _messages(record)}
            continue
        row = record.model_dump(mode="json", exclude_none=True)
        # what varies in shape from row to row stays one column of JSON, so that tables accept it
        for column in ("novelty", "student", "checker", "generation"):
            if shape != "jsonl":
                row[column] = json.dumps(row.get(column))
        yield row


def _messages(record: Record) -> list[dict[str, str]]:
    if record.messages is not None:
        return [message.model_dump() for message in record.messages]
    form = record.genre or "document"
    about = ", ".join(record.keywords) or record.topic
    ask = f"Write a {form} about: {about}." if about else f"Write a {form}."
    return [
        {"role": "user", "content": ask},
        {"role": "assistant", "content": record.text or ""},
    ]
