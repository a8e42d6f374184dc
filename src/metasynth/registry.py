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
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar

from metasynth.errors import ConfigError, RequestError

Part = TypeVar("Part")

ENTRY_POINTS = "metasynth.plugins"
_REGISTRIES: dict[str, "Registry"] = {}  # type: ignore[type-arg]  # of parts of every type


class FoundPart(NamedTuple):
    """A part in a file that was read and not carried out.

    `module` is what an installed package's file is imported as, "" in a directory of plug-ins.
    """

    kind: str
    name: str
    file: Path
    module: str = ""


class Registry(Generic[Part]):
    """The parts of one kind.

    Args:
        kind: What its decorator is called, such as `metric`.
        package: The package whose files are the built-in parts.
        title: What people call it, where that is not the kind.
        unread: A part by what its decorator is given, where its file is not to be carried out.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        *,
        title: str = "",
        unread: Callable[[Mapping[str, Any]], Part] | None = None,
    ) -> None:
        self.kind = kind
        self._unread = unread
        self.title = title or kind
        self._package = package
        self._parts: dict[str, Part] = {}
        self._others: dict[str, FoundPart] = {}
        _REGISTRIES[kind] = self

    def builtin(self) -> tuple[str, ...]:
        """The names of the package's own parts, sorted; nothing is imported."""
        return _modules_of(self._package)

    def summary(self, name: str) -> str:
        """The first line of the docstring of a built-in part's file; nothing is imported."""
        text = (_folder_of(self._package) / f"{name}.py").read_text(encoding="utf-8")
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]

    def names(self) -> tuple[str, ...]:
        """All names, sorted: built-in, of plug-ins, added by hand; nothing is imported."""
        return tuple(sorted({*self.builtin(), *self._others, *self._parts}))

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
            part = self._others.get(name)
            if part is not None:
                _import_part(part)
            else:
                importlib.import_module(f"{self._package}.{name}")
        if name not in self._parts:
            raise RequestError(
                f"{self.file_of(name) or self._package}: adds no {self.title} named {name!r}",
                code="bad_part",
            )
        return self._parts[name]

    def facts(self, name: str) -> Part:
        """What a part says of itself; another's file is not carried out, its decorator is read.

        Raises:
            RequestError: There is none (code `unknown_part`), or its decorator takes no such words
                (code `bad_part`).
        """
        self.check(name)
        part = self._others.get(name)
        if part is None or name in self._parts or self._unread is None:
            return self[name]
        try:
            return self._unread(_keywords(part))
        except TypeError as error:
            raise RequestError(f"{part.file}: {error}", code="bad_part") from None

    def file_of(self, name: str) -> Path | None:
        """The file of another's part; None for one of the package or made in a notebook."""
        part = self._others.get(name)
        return None if part is None else part.file

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
            f"{where}{': ' if where else ''}no {self.title} {name!r}{meant}; {self.expected()}",
            code="unknown_part",
        )

    def check_value(self, value: str, where: str = "") -> None:
        """Refuse what a key of a run file may not say: a name, unless the kind knows more of it.

        Raises:
            RequestError: As `check`.
        """
        self.check(value, where)

    def expected(self) -> str:
        """What a message says that there is."""
        return f"there are {', '.join(self.names())}"

    def add(self, part: Part, *, module: str, name: str | None = None) -> None:
        """Add a part; decorators call this.

        Args:
            module: `__module__` of the function or class, whose last name names the part.
            name: Another name, for a part that is made in a notebook.

        Raises:
            RequestError: The name is taken (code `taken_part`).
        """
        name = name or module.rpartition(".")[2]
        package = name in self.builtin() and module != f"{self._package}.{name}"
        if package or (name in self._parts and module != _module_of(self._parts[name])):
            raise RequestError(f"there are two of {self.title} {name!r}", code="taken_part")
        self._parts[name] = part

    def learn(self, part: FoundPart) -> None:
        """Know a part by its name, without importing it.

        Raises:
            ConfigError: The package or another file has a part of this name (code `taken_part`).
        """
        known = self.file_of(part.name)
        if part.name in self.builtin() or (known is not None and known != part.file):
            other = known or "the package"
            raise ConfigError(
                f"{part.file}: the {self.title} {part.name!r} stands in {other} too",
                code="taken_part",
            )
        self._others[part.name] = part

    def forget(self, name: str) -> None:
        """Take back a part that is not the package's own."""
        self._others.pop(name, None)
        self._parts.pop(name, None)


def registry_of(kind: str) -> "Registry[object]":
    """The registry of a kind, of those whose modules are imported.

    Raises:
        KeyError: There is none.
    """
    return _REGISTRIES[kind]


def find_parts(directory: Path, package: str = "") -> list[FoundPart]:
    """The parts in a directory's files, read from their source: nothing of it is carried out.

    Args:
        package: What the directory is imported as, if it is an installed package.

    Raises:
        ConfigError: There is no such directory (code `missing_directory`), a file is not Python
            (code `bad_part`).
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory of plug-ins", code="missing_directory")
    return [
        part
        for file in sorted(directory.glob("*.py"))
        for part in parts_in(file, f"{package}.{file.stem}" if package else "")
    ]


def parts_in(file: Path, module: str = "") -> list[FoundPart]:
    """The parts in one file; arguments and errors as above."""
    return [
        FoundPart(kind, file.stem, file, module)
        for kind in map(_decorator, _decorators(file))
        if kind in _REGISTRIES
    ]


def use_plugins(directories: Sequence[Path] = ()) -> list[FoundPart]:
    """Make the parts of directories and of installed entry points known by their names.

    They are imported when they are asked for. What is known already stays known.

    Raises:
        ConfigError: As `find_parts`, and a name is taken (code `taken_part`).
    """
    found = [part for directory in directories for part in find_parts(directory.resolve())]
    for point in entry_points(group=ENTRY_POINTS):
        found += _parts_of(point)
    for part in found:
        _REGISTRIES[part.kind].learn(part)
    return found


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _decorators(file: Path) -> list[ast.expr]:
    """Those of a file's functions and classes."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file}: cannot be read as Python ({error})", code="bad_part") from None
    return [
        decorator
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
    ]


def _keywords(part: FoundPart) -> dict[str, Any]:
    """What a part's decorator is given in so many words; what must be computed is left out."""
    decorator = next(each for each in _decorators(part.file) if _decorator(each) == part.kind)
    values: dict[str, Any] = {}
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        with suppress(ValueError):
            if keyword.arg is not None:
                values[keyword.arg] = ast.literal_eval(keyword.value)
    return values


@cache
def _modules_of(package: str) -> tuple[str, ...]:
    files = _folder_of(package).glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem != "__init__"))


def _folder_of(package: str) -> Path:
    return Path(_spec(package).submodule_search_locations[0])  # type: ignore[index]


def _spec(module: str) -> ModuleSpec:
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    return spec


def _parts_of(point: EntryPoint) -> list[FoundPart]:
    spec = _spec_unimported(point.module)
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"entry point {point.name!r}: no module {point.module!r}", code="bad_part"
        )
    if spec.submodule_search_locations:
        return find_parts(Path(spec.origin).parent, point.module)
    return parts_in(Path(spec.origin), point.module)


def _spec_unimported(module: str) -> ModuleSpec | None:
    """Where a module lies; `importlib.util.find_spec` would import the packages around it."""
    spec, name, path = None, "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        specs = (finder.find_spec(name, path) for finder in sys.meta_path)
        spec = next((each for each in specs if each is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _import_part(part: FoundPart) -> None:
    """Import a part's file; those of one directory are modules of one package."""
    module = part.module
    if not module:
        folder = str(part.file.parent)
        package = f"metasynth_plugins_{hashlib.sha256(folder.encode()).hexdigest()[:12]}"
        if package not in sys.modules:
            made = ModuleType(package)
            made.__path__ = [folder]
            sys.modules[package] = made
        module = f"{package}.{part.file.stem}"
    try:
        importlib.import_module(module)
    except Exception as error:
        words = " ".join(str(error).split())
        raise RequestError(
            f"{part.file}: cannot be imported ({type(error).__name__}: {words})", code="bad_part"
        ) from error


def _module_of(part: object) -> str:
    return str(getattr(getattr(part, "made_by", part), "__module__", ""))
