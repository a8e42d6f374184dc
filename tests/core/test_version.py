"""The version says which code it is: tag or commit, changed or not, in a checkout and a wheel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import metasynth
from metasynth.version import code_version, version_from, version_of

PYPROJECT = '[project]\nversion = "0.2.0.dev0"\n'


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run(["git", *who, *args], cwd=folder, check=True, capture_output=True)


def test_a_checkout_says_tag_commit_and_changes(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(PYPROJECT)
    assert version_of(tmp_path) == "0.2.0.dev0"  # git knows nothing of it
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = version_of(tmp_path)
    assert re.fullmatch(r"0\.2\.0\.dev0\+g[0-9a-f]{12}", commit)
    (tmp_path / "notes.txt").write_text("untracked")
    assert version_of(tmp_path) == commit
    file.write_text(PYPROJECT + "\n")
    assert version_of(tmp_path) == f"{commit}.dirty"
    git(tmp_path, "commit", "-qam", "second")
    git(tmp_path, "tag", "v0.2.0")
    git(tmp_path, "tag", "other")
    assert version_of(tmp_path) == "0.2.0"
    file.write_text(PYPROJECT)
    assert version_of(tmp_path).startswith("0.2.0+g") and version_of(tmp_path).endswith(".dirty")


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("v0.3.0-0-gabc", "0.3.0"),
        ("v0.3.0-7-gabc", "0.2+gabc"),
        ("abc-dirty", "0.2+gabc.dirty"),
        ("", "0.2"),
        ("fatal: no git", "0.2"),
    ],
)
def test_what_git_says(described: str, expected: str) -> None:
    assert version_from(described, "0.2") == expected


def test_this_code_has_one() -> None:
    assert metasynth.__version__ == code_version() != "0+unknown"


def test_git_is_not_asked_by_an_import() -> None:
    code = (
        "import subprocess, metasynth, metasynth.cli.main, metasynth.compose.run\n"
        "from metasynth.version import code_version\n"
        "assert not code_version.cache_info().currsize"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
