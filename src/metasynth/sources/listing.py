"""Which files a name stands for, of what kinds they are, and what is left out and why."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from metasynth.errors import ConfigError

from .regular import problem_with

KINDS = {
    **dict.fromkeys((".txt", ".text", ".rst"), "text"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **{f".{kind}": kind for kind in ("docx", "pptx", "xlsx", "epub", "pdf", "csv", "json")},
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".parquet": "parquet",
}
ROWS = frozenset(("csv", "tsv", "json", "jsonl", "parquet"))
OFFICE = frozenset(("docx", "pptx", "xlsx", "epub", "html"))
_PACKED = frozenset((*ROWS - {"parquet"}, "text", "markdown"))  # these may be gzipped
_CARDS = ("readme", "license", "licence", "dataset_card", "citation")
_FACTS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


class SourceFile(NamedTuple):
    """A file to read."""

    path: Path
    kind: str


class LeftOut(NamedTuple):
    """A file that is not read, and why."""

    path: Path
    reason: str


def kind_of(file: Path) -> str | None:
    """The kind of a file by its name; None for one that is not read in a folder."""
    name = file.name.lower()
    packed = name.endswith(".gz")
    kind = KINDS.get(os.path.splitext(name.removesuffix(".gz"))[1])  # noqa: PTH122 - no path
    return kind if not packed or kind in _PACKED else None


def is_table(file: Path) -> bool:
    """Whether a file holds rows, by its name."""
    return kind_of(file) in ROWS


class Listing(NamedTuple):
    """What a name stands for.

    Attributes:
        files: In the order of their paths.
        left_out: What lies beside them and is not read.
        is_one: The name is that of a file.
    """

    files: list[SourceFile]
    left_out: list[LeftOut]
    is_one: bool


def list_files(source: str, *, called: str) -> Listing:
    """The files of a file's name, a folder or a pattern.

    In a folder, a data set's card (README beside rows) and its counts are left out.

    Args:
        called: What messages call the name.

    Raises:
        ConfigError: There is no such file (code `missing_file`), or none that is read (code
            `no_files`).
    """
    path = Path(source)
    problem = problem_with(path)
    if problem == "a folder":
        files, left_out = _in_folder(path)
        return Listing(_some(files, left_out, source, called), left_out, is_one=False)
    if not problem or os.path.lexists(path):  # what is no file says so when it is opened
        return Listing([SourceFile(path, kind_of(path) or "text")], [], is_one=True)
    matches = [Path(name) for name in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207
    files, left_out = [], []
    for match in matches:
        if match.is_dir():
            continue
        if reason := problem_with(match):
            left_out.append(LeftOut(match, reason))
        else:
            files.append(SourceFile(match, kind_of(match) or "text"))
    if not files:
        raise ConfigError(f"{called}: no such file: {source}", code="missing_file")
    return Listing(files, left_out, is_one=False)


def _some(
    files: list[SourceFile], left_out: list[LeftOut], source: str, called: str
) -> list[SourceFile]:
    if files:
        return files
    named = "; ".join(f"{one.path}: cannot be read ({one.reason})" for one in left_out[:5])
    known = ", ".join(sorted(KINDS))
    raise ConfigError(
        f"{called}: {source} holds no file of {known}" + (f"; {named}" if named else ""),
        code="no_files",
    )


def _in_folder(folder: Path) -> tuple[list[SourceFile], list[LeftOut]]:
    files: list[SourceFile] = []
    left_out: list[LeftOut] = []
    for path in _below(folder, left_out):
        kind = kind_of(path)
        if reason := problem_with(path):
            left_out.append(LeftOut(path, reason))
        elif path.name.startswith("."):
            left_out.append(LeftOut(path, "hidden"))
        elif kind is None:
            left_out.append(LeftOut(path, f"{path.suffix or 'a name without ending'}: not read"))
        elif path.name.lower() in _FACTS:
            left_out.append(LeftOut(path, "the counts of a data set"))
        else:
            files.append(SourceFile(path, kind))
    with_rows = {
        above
        for file in files
        if file.kind in ROWS
        for above in (file.path.parent, *_up(file, folder))
    }
    cards = [file for file in files if is_card(file) and file.path.parent in with_rows]
    left_out += [LeftOut(card.path, "the card of a data set") for card in cards]
    kept = [file for file in files if file not in cards]
    return kept, sorted(left_out)


def _up(file: SourceFile, folder: Path) -> Iterator[Path]:
    """The folders between a file and the one that was named, which may hold its card."""
    for above in file.path.parents:
        yield above
        if above == folder:
            return


def is_card(file: SourceFile) -> bool:
    """Whether a file speaks of the data beside it, by its name."""
    name = file.path.name.lower()
    return file.kind in ("markdown", "text") and name.startswith(_CARDS)


def _below(folder: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    """All that is no folder, in the order of the paths; links to folders are not followed."""
    paths: list[Path] = []

    def unreadable(error: OSError) -> None:
        left_out.append(LeftOut(Path(error.filename), error.strerror or "cannot be read"))

    for here, folders, names in os.walk(folder, onerror=unreadable):
        for name in list(folders):
            path = Path(here, name)
            if path.is_symlink():
                left_out.append(LeftOut(path, "a link to a folder"))
            elif name.startswith("."):
                left_out.append(LeftOut(path, "hidden"))
                folders.remove(name)
            elif kind_of(path) is not None:
                left_out.append(LeftOut(path, "a folder called like a file"))
        paths += [Path(here, name) for name in names]
    return iter(sorted(paths))
