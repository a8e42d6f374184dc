"""Checking role files together: each for itself, beside its neighbours, and against the graphs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from metasynth.agents.conductor.tools import Consult, InstructConsult
from metasynth.agents.roles.book import (
    RoleBook,
    library_domains,
    library_roles,
    packaged_roles,
    role_files,
)
from metasynth.agents.roles.reading import RoleText
from metasynth.agents.roles.role import Role
from metasynth.errors import ConfigError
from metasynth.yaml_text import read_regular

# What a graph has to attach before any expert has made something.
_GIVEN = {
    "document": {"seed", "neighbours"},
    "instruct": {"document", "neighbours"},
    "answers": {"document", "conversation", "question", "answer", "critique"},
}
_INVENTED = {"document": Consult, "instruct": InstructConsult}


@dataclass(frozen=True)
class Finding:
    """Something about a role file: where, and what."""

    path: Path
    line: int | None
    text: str

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.text}"


@dataclass
class Checked:
    """What a check found: how many files there were, what must be mended, what is good to know."""

    files: int = 0
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    path: Path
    text: RoleText

    def finding(self, key: str, text: str, *path: str | int) -> Finding:
        return Finding(self.path, self.text.line(key, *path), f"{key}: {text}")


def check_roles(paths: Sequence[Path]) -> Checked:
    """Check role files, and directories of them, as if a run had them all.

    A file that is named twice is checked once. Files of one directory may not have the same name.
    """
    checked = Checked()
    read: list[_File] = []
    files = dict.fromkeys(
        file for path in paths for file in (role_files(path) if path.is_dir() else [path])
    )
    for path in files:
        try:
            text = RoleText(read_regular(path))
        except ConfigError as error:
            said = error.message.removeprefix(f"{path}: ")
            checked.problems.append(Finding(path, None, said))
            continue
        checked.problems += [Finding(path, each.line, each.text) for each in text.problems]
        read.append(_File(path, text))
    checked.files = len(files)
    _check_together(read, checked)
    checked.problems.sort(key=lambda finding: (str(finding.path), finding.line or 0))
    return checked


def _check_together(read: Sequence[_File], checked: Checked) -> None:
    ours = packaged_roles()
    domains = {domain: library_roles(domain) for domain in library_domains()}
    library = [role for roles in domains.values() for role in roles]
    given = [(file, file.text.role) for file in read if file.text.role is not None]
    book = RoleBook([*library, *ours, *(role for _, role in given)])
    checked.problems += _clashes(read)
    for file, role in given:
        checked.problems += [*_unasked(file, role, ours), *_unprovided(file, role, book)]
        checked.notes += _replacements(file, role, {"ours": ours, **domains})


def _clashes(read: Sequence[_File]) -> Iterator[Finding]:
    """Names that stand in two files of one directory."""
    seen: dict[tuple[Path, str], Path] = {}
    for file in read:
        name = file.text.name
        first = seen.setdefault((file.path.parent, name), file.path)
        if name and first != file.path:
            yield file.finding("name", f"{name!r} stands in {first} too")


def _unasked(file: _File, role: Role, ours: Iterable[Role]) -> Iterator[Finding]:
    """Those who answer are asked by name, so another name is never asked."""
    names = sorted(each.name for each in ours if "answers" in each.for_)
    if "answers" in role.for_ and role.name not in names:
        yield file.finding(
            "for",
            f"no graph asks {role.name!r} for answers; those asked are {', '.join(names)}",
        )


def _unprovided(file: _File, role: Role, book: RoleBook) -> Iterator[Finding]:
    """Kinds that may be attached, but that no graph which offers the expert ever has."""
    there = set().union(*(_kinds(graph, book) for graph in role.for_))
    for index, kind in enumerate(role.receives):
        if kind not in there:
            yield file.finding(
                "receives",
                f"graph {' or '.join(role.for_)} never has a {kind} to attach; there are "
                f"{', '.join(sorted(there))}",
                index,
            )


def _kinds(graph: str, book: RoleBook) -> set[str]:
    """What a graph can attach: what it has, what its experts make, what invented ones may make."""
    made = {str(role.produces) for role in book.offered_by(graph)}
    if graph in _INVENTED:
        made |= set(get_args(_INVENTED[graph].model_fields["produces"].annotation)) - {""}
    return _GIVEN[graph] | made


def _replacements(file: _File, role: Role, known: dict[str, list[Role]]) -> Iterator[Finding]:
    """Whom a role stands in for, and what that may break."""
    for whose, roles in known.items():
        for replaced in roles:
            if replaced.name != role.name:
                continue
            owner = "ours" if whose == "ours" else f"ours of library:{whose}"
            text = f"{role.name!r} replaces {owner}"
            if replaced.produces != role.produces:
                text += (
                    f", which makes {replaced.produces}; this one makes {role.produces}, so "
                    f"where a graph waits for a {replaced.produces} it may wait in vain"
                )
            yield file.finding("name", text)
