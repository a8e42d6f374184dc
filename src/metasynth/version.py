"""The exact state of the code, as run.yaml and each record say it.

A checkout is asked when the state is first needed, not when it was installed, for an editable
install follows its files: the tag `v1.2.3` is version 1.2.3, any other commit `1.2.3+gCOMMIT` after
the number in pyproject.toml, with `.dirty` at the end where tracked files were changed. A wheel
knows the commit that it was built from. Elsewhere the number stands alone.
"""

import os
import re
import subprocess
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DESCRIBE = (
    *("git", "describe", "--tags", "--match", "v[0-9]*"),
    *("--long", "--always", "--dirty", "--abbrev=12"),
)
_STATE = re.compile(r"(?:v(?P<tag>\S+)-(?P<after>\d+)-g)?(?P<commit>[0-9a-f]+)(?P<dirty>-dirty)?")
_PACKAGE = Path(__file__).resolve().parent


@cache
def code_version() -> str:
    """The version of the code that runs; starts git once in a checkout."""
    root = _PACKAGE.parent.parent
    if (root / ".git").exists() and (root / "src" / "metasynth").is_dir():
        return version_of(root)
    try:
        number = version("metasynth-agents")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
    built_from = _PACKAGE / "COMMIT"
    if "+" in number or not built_from.exists():
        return number
    return version_from(built_from.read_text(encoding="ascii").strip(), number)


def version_of(root: Path) -> str:
    """The version of a checkout; its number alone where git does not answer."""
    number = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return version_from(describe(root), str(number["project"]["version"]))


def describe(root: Path) -> str:
    """What git says of a checkout's commit; "" where it does not answer."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(  # noqa: S603 - git by its name, arguments made here
            _DESCRIBE, cwd=root, env=environment, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def version_from(described: str, number: str) -> str:
    """The version that git's description of a commit means, after the number before it."""
    state = _STATE.fullmatch(described)
    if state is None:
        return number
    if state["tag"] and state["after"] == "0" and not state["dirty"]:
        return state["tag"]
    dirty = ".dirty" if state["dirty"] else ""
    return f"{state['tag'] if state['after'] == '0' else number}+g{state['commit']}{dirty}"
