"""A run's corpus written for trainers: a file of one shape, or a data set folder with its card."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from metasynth.errors import MetaSynthError
from metasynth.records.record import Record
from metasynth.records.shapes import SHAPES, Row
from metasynth.records.tables import (
    check_folder_free,
    check_free,
    new_file,
    new_folder,
    write_rows,
)
from metasynth.results.card.data_card import data_card
from metasynth.results.run.directory import RunFiles, read_run

Target = Literal["jsonl", "parquet", "folder"]


class Exported(NamedTuple):
    """What was written: records of the run, and rows of each shape."""

    records: int
    rows: Mapping[str, int]


def export_run(
    directory: Path,
    path: Path,
    *,
    shape: str | None = None,
    target: Target = "jsonl",
    plain: bool = False,
    force: bool = False,
) -> Exported:
    """Write the accepted records of a run to `path`, whole or not at all.

    Args:
        shape: One of `metasynth.shapes.SHAPES`; None: `records` in a file, in a folder all that the
            run has rows for, with the one first that a trainer wants.
        plain: Conversations as plain text, where the shape has that form.
        force: Write over what was exported before.

    Raises:
        RequestError: There is no such run, or `path` is taken or cannot be written.
        MetaSynthError: The run has no record, or none that gives a row of this shape.
    """
    if target == "folder":
        check_folder_free(path, force=force)
    else:
        check_free(path, force=force)
    run = read_run(directory)
    if not run.accepted:
        raise MetaSynthError(f"{directory}: the corpus is empty, there is nothing to export")
    shapes = [shape] if shape else _all_shapes(run) if target == "folder" else ["records"]
    for name in shapes:
        if next(_rows(run.accepted, name, plain), None) is None:
            raise MetaSynthError(
                f"{directory}: none of its {len(run.accepted)} records gives a row of "
                f"{name!r}: no answer was rejected on the way to one that was kept"
            )
    if target == "folder":
        return _folder(run, path, shapes, plain=plain, force=force)
    columns = _columns(shapes[0], plain)
    with new_file(path, force=force) as partial:
        rows = write_rows(partial, _rows(run.accepted, shapes[0], plain), columns, target)
    return Exported(len(run.accepted), {shapes[0]: rows})


def _folder(
    run: RunFiles, path: Path, shapes: Sequence[str], *, plain: bool, force: bool
) -> Exported:
    counts = {}
    with new_folder(path, force=force) as partial:
        for name in shapes:
            rows = _rows(run.accepted, name, plain)
            file = partial / f"{name}.parquet"
            counts[name] = write_rows(file, rows, _columns(name, plain), "parquet")
        card = data_card(run, counts, name=path.resolve().name, plain=plain)
        (partial / "README.md").write_text(card, encoding="utf-8", newline="\n")
    return Exported(len(run.accepted), counts)


def _all_shapes(run: RunFiles) -> list[str]:
    """What a trainer wants of this run, preference pairs where there are any, and everything."""
    first = "chat" if any(one.kind == "instruction" for one in run.accepted) else "text"
    has_pairs = next(_rows(run.accepted, "preferences", False), None) is not None
    return [first, *(["preferences"] if has_pairs else []), "records"]


def _columns(name: str, plain: bool) -> Mapping[str, object]:
    shape = SHAPES[name]
    return shape.plain if plain and shape.plain is not None else shape.columns


def _rows(records: Sequence[Record], name: str, plain: bool) -> Iterator[Row]:
    for record in records:
        yield from SHAPES[name].rows(record, plain)
