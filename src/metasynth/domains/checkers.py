"""Checkers by name: a checkable domain's, or a function in a Python file of the user's.

Code of the user's is found by parsing its file, and carried out where a run is opened or a command
checks with it, and nowhere else; it runs in this process with all that this process may do.
"""

import ast
import hashlib
import importlib.util
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Protocol

from metasynth.domains.language.base import Check
from metasynth.errors import MetaSynthError, RequestError

from .catalogue import DOMAINS

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>\w+))?")


class TextChecker(Protocol):
    """An exact verifier of the answer in a text."""

    def check(self, text: str) -> Check:
        """Whether the answer is right, as far as it can be told."""
        ...


class OwnChecker:
    """A function of the user's: `check(text)` gives True, False, or None where it cannot judge.

    With a reason it gives a pair: `(False, "says 13, comes to 12")`.

    The file is parsed at once, and carried out by `load`, or by the first check.

    Raises:
        RequestError: The file cannot be parsed, or has no such function.
    """

    def __init__(self, path: Path, function: str = "check") -> None:
        self._where = f"{path}: {function}"
        self._path, self._name = path, function
        self._function: Callable[[str], object] | None = None
        if not _may_define(_parsed(path), function):
            raise RequestError(f"{path}: has no function {function!r}", code="unknown_checker")

    def load(self) -> Callable[[str], object]:
        """Carry the file out, if that is still to do; the function.

        Raises:
            RequestError: It fails (code `bad_checker`), or has no such function after all
                (`unknown_checker`).
        """
        if self._function is None:
            function = getattr(_loaded(self._path), self._name, None)
            if not callable(function):
                raise RequestError(
                    f"{self._path}: has no function {self._name!r}", code="unknown_checker"
                )
            self._function = function
        return self._function

    def check(self, text: str) -> Check:
        """What the function says.

        Raises:
            MetaSynthError: It failed, or gave something else than it may.
        """
        function = self.load()
        try:
            said = function(text)
        except Exception as error:  # a defect of the user's code, told as such
            raise MetaSynthError(
                f"{self._where} failed: {type(error).__name__}: {error} ({_line_of(error)})",
                hint="return None where a text cannot be judged; the same command goes on",
                code="checker_failed",
            ) from error
        passed, detail = said if isinstance(said, tuple) and len(said) == 2 else (said, "")
        if (passed is not None and not isinstance(passed, bool)) or not isinstance(detail, str):
            raise MetaSynthError(
                f"{self._where} gave {said!r}; expected True, False or None, or one of them with a "
                "text",
                code="bad_answer",
            )
        return Check(parsed=passed is not None, passed=passed, detail=detail)


def find_checker(name: str) -> TextChecker:
    """The checker of a name: a checkable domain, `FILE.py` or `FILE.py:FUNCTION`.

    Raises:
        RequestError: There is none, or the file cannot be used.
    """
    if name in DOMAINS:
        return DOMAINS[name]
    named = _FILE.fullmatch(name)
    if named is None:
        known = ", ".join(DOMAINS)
        raise RequestError(
            f"no checker {name!r}; there are {known}, or a file FILE.py:FUNCTION",
            code="unknown_checker",
        )
    return OwnChecker(Path(named["path"]), named["function"] or "check")


def checker_file(name: str | None) -> Path | None:
    """The Python file that a checker's name names, if it does."""
    named = _FILE.fullmatch(name or "")
    return Path(named["path"]) if named else None


def checker_version(name: str | None) -> str | None:
    """A hash of the user's file, so that other rules make another run; None for the package's."""
    file = checker_file(name)
    return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def load_checkers(names: Iterable[str | None]) -> None:
    """Carry out the files of the user's among the checkers, so that what fails is told first.

    Raises:
        RequestError: One fails, or has no such function.
    """
    for name in names:
        if checker_file(name) is not None:
            checker = find_checker(name or "")
            assert isinstance(checker, OwnChecker)
            checker.load()


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except FileNotFoundError:
        raise RequestError(f"no such file: {path}", code="missing_file") from None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise RequestError(
            f"{path}: cannot be loaded: {type(error).__name__}: {error}{where}", code="bad_checker"
        ) from None


def _may_define(tree: ast.Module, name: str) -> bool:
    """Whether a name may be there once the file is carried out, which it is not for that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.Name):
            names = [node.id] if isinstance(node.ctx, ast.Store) else []
        else:
            continue
        if name in names or "*" in names:
            return True
    return False


_LOADED: dict[str, ModuleType] = {}
_LOADING = threading.Lock()


def _loaded(path: Path) -> ModuleType:
    """The module of a file as it is now; the same content is carried out once."""
    if not path.is_file():
        raise RequestError(f"no such file: {path}", code="missing_file")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    with _LOADING:
        key = f"{path.resolve()} {content}"
        if key not in _LOADED:
            _LOADED[key] = _carried_out(path)
        return _LOADED[key]


def _carried_out(path: Path) -> ModuleType:
    name = f"metasynth_checker_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RequestError(
            f"{path}: cannot be loaded: {type(error).__name__}: {error} ({_line_of(error)})",
            code="bad_checker",
        ) from error
    return module


def _line_of(error: Exception) -> str:
    """Where the user's code failed: the innermost line."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
