"""Beside pyproject.toml: a wheel or packed sources hold the commit that they are built from."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
COMMIT = Path("metasynth") / "COMMIT"


def commit() -> str:
    """What git says; of unpacked sources what it said when they were packed."""
    packed = ROOT / "src" / COMMIT
    if packed.exists():
        return packed.read_text(encoding="ascii")
    if not (ROOT / ".git").exists():
        return ""
    spec = importlib.util.spec_from_file_location("version", ROOT / "src/metasynth/version.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.describe(ROOT))


def write_down(folder: Path) -> None:
    """Put the commit into a copy of the package."""
    if described := commit():
        (folder / COMMIT).write_text(described, encoding="ascii")


class BuildPackage(build_py):
    """Of an editable install the checkout is asked each time."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write_down(Path(self.build_lib))


class PackSources(sdist):
    """The sources with the commit beside them."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_down(Path(base_dir) / "src")


setup(cmdclass={"build_py": BuildPackage, "sdist": PackSources})
