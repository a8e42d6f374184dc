"""A run's corpus written for trainers: a file of one shape, or a data set folder with its card."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.record import Record
from metasynth.records.shape import SHAPES, Row
from metasynth.records.tables import (
    check_folder_free,
    check_free,
    new_file,
    new_folder,
    write_rows,
)
from metasynth.results.card.data_card import data_card
from metasynth.results.run.files import RunFiles, read_run

Target = Literal["jsonl", "parquet", "folder"]


class Exported(NamedTuple):
    """What was written: records of the run, and rows of each shape."""

    records: int
    rows: Mapping[str, int]


def export_run(
    directory: Path | str,
    path: Path | str,
    *,
    shape: str | None = None,
    target: Target | None = None,
    plain: bool = False,
    force: bool = False,
) -> Exported:
    """Write the accepted records of a run to `path`, whole or not at all.

    Args:
        shape: A name of `metasynth.records.shape.SHAPES`; None: `records` in a file, in a folder
            all that the run has rows for, with the one first that a trainer wants.
        target: The form of `path`; None: what its ending says, a folder where it has none.
        plain: Conversations as plain text, where the shape has that form.
        force: Write over what was exported before.

    Raises:
        RequestError: There is no such run (`no_run`) or shape (`unknown_part`), the shape has no
            plain form (`no_plain_form`) or is not written to such files, or an ending names no
            format (`wrong_format`), the shape's function fails (`bad_part`), or `path` is taken
            (`exists`, `foreign`) or cannot be written (`not_writable`).
        MetaSynthError: The run has no record (`empty_corpus`), or none that gives a row of this
            shape (`no_rows`).
    """
    path = Path(path)
    target = target or target_of(path)
    if target == "folder":
        check_folder_free(path, force=force)
    else:
        check_free(path, force=force)
    if shape is not None:
        _check(shape, target, plain=plain)
    elif plain:
        raise RequestError("plain: goes with a shape that has this form", code="no_plain_form")
    run = read_run(directory)
    if not run.accepted:
        raise MetaSynthError(
            f"{directory}: the corpus is empty, there is nothing to export", code="empty_corpus"
        )
    names = [shape] if shape else _all_shapes(run) if target == "folder" else ["records"]
    for name in names:
        if next(_rows(run.accepted, name, plain), None) is None:
            takes = SHAPES[name].takes or " or ".join(SHAPES[name].kinds)
            raise MetaSynthError(
                f"{directory}: none of its {len(run.accepted)} records gives a row of {name!r}, "
                f"which takes {takes}",
                code="no_rows",
            )
    if target == "folder":
        return _folder(run, path, names, plain=plain, force=force)
    columns = SHAPES[names[0]].all_columns(plain=plain)
    with new_file(path, force=force) as partial:
        rows = write_rows(partial, _rows(run.accepted, names[0], plain), columns, target)
    return Exported(len(run.accepted), {names[0]: rows})


def target_of(path: Path) -> Target:
    """What the ending of a path says.

    Raises:
        RequestError: It names no format (code `wrong_format`).
    """
    endings: Mapping[str, Target] = {"": "folder", ".jsonl": "jsonl", ".parquet": "parquet"}
    target = endings.get(path.suffix.lower())
    if target is None:
        raise RequestError(
            f"{path}: its ending names no format",
            hint="use .jsonl, .parquet, or none for a data set folder",
            code="wrong_format",
        )
    return target


def _check(name: str, target: Target, *, plain: bool) -> None:
    shape = SHAPES[name]
    if plain and shape.plain_columns is None:
        having = ", ".join(other for other in SHAPES if SHAPES[other].plain_columns is not None)
        raise RequestError(
            f"plain: {name} has no such form", hint=f"{having} have one", code="no_plain_form"
        )
    written = "parquet" if target == "folder" else target
    if written not in shape.formats:
        raise RequestError(
            f"{name} is not written to {written}, but to {' and '.join(shape.formats)}",
            code="wrong_format",
        )


def _folder(
    run: RunFiles, path: Path, names: Sequence[str], *, plain: bool, force: bool
) -> Exported:
    counts = {}
    with new_folder(path, force=force) as partial:
        for name in names:
            rows = _rows(run.accepted, name, plain)
            columns = SHAPES[name].all_columns(plain=plain)
            counts[name] = write_rows(partial / f"{name}.parquet", rows, columns, "parquet")
        card = data_card(run, counts, name=path.resolve().name, plain=plain)
        (partial / "README.md").write_text(card, encoding="utf-8", newline="\n")
    return Exported(len(run.accepted), counts)


def _all_shapes(run: RunFiles) -> list[str]:
    """What a trainer wants of this run, preference pairs where there are any, and everything."""
    first = "chat" if any(record.kind == "instruction" for record in run.accepted) else "text"
    has_pairs = next(_rows(run.accepted, "preferences", False), None) is not None
    return [first, *(["preferences"] if has_pairs else []), "records"]


def _rows(records: Sequence[Record], name: str, plain: bool) -> Iterator[Row]:
    shape = SHAPES[name]
    for record in records:
        try:
            yield from shape.rows([record], plain=plain)
        except MetaSynthError:
            raise
        except Exception as error:
            raise RequestError(
                f"shape {name!r} fails on record {record.id} ({type(error).__name__}: {error})",
                code="bad_part",
            ) from error
