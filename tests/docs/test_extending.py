"""The files of the page on extending are parts, each of its kind, as they stand there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from metasynth.compose.parts import REGISTRIES, find_plugins
from metasynth.registry import registry_of
from tests.documentation import ROOT, blocks_of


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Path]:
    """A directory with all files of the page, which are forgotten again."""
    folder = tmp_path / "my_parts"
    folder.mkdir()
    for block in blocks_of(ROOT / "docs" / "extending.md"):
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
    yield folder
    for registry in REGISTRIES:
        for file in folder.glob("*.py"):
            registry.forget(file.stem)


def test_there_is_a_file_of_every_kind_and_each_adds_its_part(parts: Path) -> None:
    known = {part.kind: part.name for part in find_plugins([parts])}
    assert set(known) == {registry.kind for registry in REGISTRIES}
    assert all(registry_of(kind)[name] is not None for kind, name in known.items())


def test_every_part_of_the_package_says_what_it_is() -> None:
    summaries = [registry.summary(name) for registry in REGISTRIES for name in registry.builtin()]
    assert all(summary.endswith((".", "?")) for summary in summaries)
    assert len(set(summaries)) == len(summaries) > 40
