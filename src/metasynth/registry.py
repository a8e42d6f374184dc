"""Parts by name: one file each, of the package or of a stranger, added in the same way.

A part is a metric, a selection strategy, a scoring criterion, a parameterisation of the soft
prompt, a check between gate and admission, a provider of chat models, an export shape. It stands
in a file of its own, above whose function or class the decorator of its kind says what it is:

    # my_parts/yules_k.py
    from metasynth.eval.metric import metric

    @metric("Yule's K", better="lower", needs="tokens")
    def yules_k(tokens): ...

**A part is called by its file's name.** So what parts there are is known from a listing of files:
help, schema and `validate` import none of them. A part is imported when it is asked for.

Others' parts come from the directories that a run file names under `plugins`, from `--plugins`,
and from the entry points of the group `metasynth.plugins`, each of which names a module or a
package of parts. Which kind a file holds is read from its source, without carrying it out.
"""

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from metasynth.errors import ConfigError, RequestError

Part = TypeVar("Part")

ENTRY_POINTS = "metasynth.plugins"
_REGISTRIES: dict[str, "Registry"] = {}  # type: ignore[type-arg]  # of parts of every type


class Found(NamedTuple):
    """A part in a file that was read and not carried out."""

    kind: str
    name: str
    file: Path


class Registry(Generic[Part]):
    """The parts of one kind.

    Args:
        kind: What its decorator is called, such as `metric`.
        package: The package whose files are the built-in parts.
        title: What people call it, where that is not the kind.
    """

    def __init__(self, kind: str, package: str, *, title: str = "") -> None:
        self.kind = kind
        self.title = title or kind
        self._package = package
        self._parts: dict[str, Part] = {}
        self._files: dict[str, Path] = {}
        _REGISTRIES[kind] = self

    def builtin(self) -> tuple[str, ...]:
        """The names of the package's own parts, sorted; nothing is imported."""
        return _modules_of(self._package)

    def names(self) -> tuple[str, ...]:
        """All names, sorted: built-in, of plug-ins, added by hand; nothing is imported."""
        return tuple(sorted({*self.builtin(), *self._files, *self._parts}))

    def __contains__(self, name: object) -> bool:
        """Whether there is a part with this name."""
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        """The names, as `names` has them."""
        return iter(self.names())

    def __getitem__(self, name: str) -> Part:
        """The part with this name; imports its file where that is still to do.

        Raises:
            RequestError: There is none (code `unknown_part`), or its file cannot be imported or
                adds no such part (code `bad_part`).
        """
        if name not in self._parts:
            self.check(name)
            if name in self._files:
                _import_file(self._files[name])
            else:
                importlib.import_module(f"{self._package}.{name}")
        if name not in self._parts:
            raise RequestError(
                f"{self._files.get(name, self._package)}: adds no {self.title} named {name!r}",
                code="bad_part",
            )
        return self._parts[name]

    def check(self, name: str, where: str = "") -> None:
        """Refuse a name that no part has.

        Args:
            where: What the message begins with, such as the key of a run file.

        Raises:
            RequestError: There is none (code `unknown_part`); names those that there are.
        """
        known = self.names()
        if name in known:
            return
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise RequestError(
            f"{where}{': ' if where else ''}no {self.title} {name!r}{meant}; there are "
            f"{', '.join(known)}",
            code="unknown_part",
        )

    def add(self, part: Part, *, module: str, name: str | None = None) -> None:
        """Add a part; decorators call this.

        Args:
            module: `__module__` of the function or class, whose last name names the part.
            name: Another name, for a part that is made in a notebook.

        Raises:
            RequestError: The name is taken (code `taken_part`).
        """
        name = name or module.rpartition(".")[2]
        if name in self._parts and module != _module_of(self._parts[name]):
            raise RequestError(f"there are two of {self.title} {name!r}", code="taken_part")
        self._parts[name] = part

    def learn(self, name: str, file: Path) -> None:
        """Know that `file` holds the part `name`, without importing it.

        Raises:
            ConfigError: The package or another file has a part of this name (code `taken_part`).
        """
        known = self._files.get(name)
        if name in self.builtin() or (known is not None and known != file):
            other = known or "the package"
            raise ConfigError(
                f"{file}: the {self.title} {name!r} stands in {other} too", code="taken_part"
            )
        self._files[name] = file

    def forget(self, name: str) -> None:
        """Take back a part that is not the package's own."""
        self._files.pop(name, None)
        self._parts.pop(name, None)


def registry_of(kind: str) -> "Registry[object]":
    """The registry of a kind, of those whose modules are imported.

    Raises:
        KeyError: There is none.
    """
    return _REGISTRIES[kind]


def find_parts(directory: Path) -> list[Found]:
    """The parts in a directory's files, read from their source: nothing of it is carried out.

    Raises:
        ConfigError: There is no such directory (code `missing_directory`), a file is not Python
            (code `bad_part`).
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory of plug-ins", code="missing_directory")
    return [found for file in sorted(directory.glob("*.py")) for found in parts_in(file)]


def parts_in(file: Path) -> list[Found]:
    """The parts in one file; arguments and errors as above."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read as Python ({error})", code="bad_part") from None
    return [
        Found(kind, file.stem, file)
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for kind in map(_decorator, node.decorator_list)
        if kind in _REGISTRIES
    ]


def use_plugins(directories: Sequence[Path] = ()) -> list[Found]:
    """Make the parts of directories and of installed entry points known by their names.

    They are imported when they are asked for. What is known already stays known.

    Raises:
        ConfigError: As `find_parts`, and a name is taken (code `taken_part`).
    """
    found = [part for directory in directories for part in find_parts(directory.resolve())]
    for point in entry_points(group=ENTRY_POINTS):
        found += _parts_of(point)
    for part in found:
        _REGISTRIES[part.kind].learn(part.name, part.file)
    return found


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


@cache
def _modules_of(package: str) -> tuple[str, ...]:
    folder = Path(_spec(package).submodule_search_locations[0])  # type: ignore[index]
    return tuple(sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__"))


def _spec(module: str) -> ModuleSpec:
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    return spec


def _parts_of(point: EntryPoint) -> list[Found]:
    try:
        spec = importlib.util.find_spec(point.module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"entry point {point.name!r}: no module {point.module!r}", code="bad_part"
        )
    if spec.submodule_search_locations:
        return find_parts(Path(spec.origin).parent)
    return parts_in(Path(spec.origin))


def _import_file(file: Path) -> None:
    name = f"metasynth_plugin_{abs(hash(file.parent)):x}.{file.stem}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a class up by its module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RequestError(
            f"{file}: cannot be imported ({type(error).__name__}: {error})", code="bad_part"
        ) from error


def _module_of(part: object) -> str:
    return str(getattr(getattr(part, "made_by", part), "__module__", ""))
