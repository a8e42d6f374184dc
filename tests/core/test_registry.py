"""Parts by name: what is known without importing, what is imported by use, what is refused."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter

from metasynth.compose.parts import check_parts, part_versions
from metasynth.config.marks import PartOf
from metasynth.config.schema import list_parts
from metasynth.config.section import Section
from metasynth.errors import ConfigError, RequestError
from metasynth.registry import ENTRY_POINTS, FoundPart, Registry, find_parts, use_plugins
from tests.commands import metasynth
from tests.raising import raises

OWN = """\
from tests.core.test_registry import gadget


@gadget
def {name}():
    return "{name}"
"""

GADGETS: Registry[Callable[[], str]] = Registry("gadget", "metasynth.domains")


def gadget(function: Callable[[], str]) -> Callable[[], str]:
    GADGETS.add(function, module=function.__module__)
    return function


@pytest.fixture(autouse=True)
def _without_the_parts_of_other_tests() -> Iterator[None]:
    yield
    for name in set(GADGETS.names()) - set(GADGETS.builtin()):
        GADGETS.forget(name)


def write(folder: Path, name: str, text: str = OWN) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(text.format(name=name), encoding="utf-8")
    return file


class TestNames:
    def test_the_packages_own_are_its_files(self) -> None:
        assert {"skills", "checkers"} <= set(GADGETS.builtin())
        assert "__init__" not in GADGETS
        assert list(GADGETS) == sorted(GADGETS.builtin())

    def test_another_directorys_are_known_and_not_imported(self, tmp_path: Path) -> None:
        file = write(tmp_path, "spring", OWN + "raise RuntimeError('imported')\n")
        write(tmp_path, "helper", "raise RuntimeError('imported')\n")
        assert use_plugins([tmp_path]) == [FoundPart("gadget", "spring", file)]
        assert "spring" in GADGETS and "helper" not in GADGETS
        assert GADGETS.file_of("spring") == file

    def test_a_directory_may_be_named_again(self, tmp_path: Path) -> None:
        write(tmp_path, "spring")
        use_plugins([tmp_path])
        use_plugins([tmp_path, tmp_path / "."])
        assert GADGETS["spring"]() == "spring"


class TestUse:
    def test_a_part_is_imported_when_it_is_asked_for(self, tmp_path: Path) -> None:
        write(tmp_path, "lever", OWN)
        write(tmp_path, "spring", OWN + "from .helper import NAME\n\n\nspring.name = NAME\n")
        write(tmp_path, "helper", "NAME = 'with its neighbour'\n")
        use_plugins([tmp_path])
        assert getattr(GADGETS["spring"], "name") == "with its neighbour"  # noqa: B009
        assert not any(name.endswith(".lever") for name in sys.modules)

    def test_one_made_in_a_notebook(self) -> None:
        GADGETS.add(lambda: "by hand", module="__main__", name="wheel")
        assert GADGETS["wheel"]() == "by hand"
        assert GADGETS.file_of("wheel") is None

    def test_an_installed_package_brings_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "outer").mkdir()
        (tmp_path / "outer" / "__init__.py").write_text("raise RuntimeError('imported')\n")
        module = write(tmp_path / "outer", "pulley", "@gadget\ndef pulley(): ...\n")
        write(tmp_path / "gears", "__init__", "")
        file = write(tmp_path / "gears", "cog", "from . import teeth\n" + OWN)
        write(tmp_path / "gears", "teeth", "")
        info = tmp_path / "gears-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gears\nVersion: 1\n")
        (info / "entry_points.txt").write_text(
            f"[{ENTRY_POINTS}]\nall = gears\npulley = outer.pulley\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        assert set(use_plugins()) == {
            FoundPart("gadget", "cog", file, "gears.cog"),
            FoundPart("gadget", "pulley", module, "outer.pulley"),
        }
        assert GADGETS["cog"]() == "cog"
        assert sys.modules["gears.cog"].__file__ == str(file)


class TestRefusals:
    def test_an_unknown_name(self, tmp_path: Path) -> None:
        write(tmp_path, "spring")
        use_plugins([tmp_path])
        with raises(RequestError, "unknown_part") as raised:
            GADGETS["sprung"]
        assert "'spring'" in raised.value.message

    @pytest.mark.parametrize("name", ["spring", "skills"])
    def test_a_taken_name(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / "first", "spring")
        use_plugins([tmp_path / "first"])
        write(tmp_path / "second", name)
        with raises(ConfigError, "taken_part"):
            use_plugins([tmp_path / "second"])
        assert GADGETS["spring"]() == "spring"

    def test_a_taken_name_in_a_notebook(self) -> None:
        GADGETS.add(lambda: "first", module="__main__", name="wheel")
        for name in ("wheel", "skills"):
            with raises(RequestError, "taken_part"):
                GADGETS.add(lambda: "second", module="another", name=name)

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with raises(ConfigError, "missing_directory"):
            find_parts(tmp_path / "none")

    @pytest.mark.parametrize("text", ["def (:\n", "\0", "\udcff"], ids=["syntax", "zero", "bytes"])
    def test_a_file_that_is_not_python(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "spring.py").write_bytes(text.encode(errors="surrogateescape"))
        with raises(ConfigError, "bad_part") as raised:
            find_parts(tmp_path)
        assert "\n" not in raised.value.message

    @pytest.mark.parametrize(
        "line", ["raise SystemError('two\\nlines')", "import no_such", "gadget = GADGETS.forget"]
    )
    def test_a_file_that_cannot_be_imported_or_adds_nothing(
        self, tmp_path: Path, line: str
    ) -> None:
        text = f"from tests.core.test_registry import GADGETS, gadget\n{line}\n"
        write(tmp_path, "spring", text + "@gadget\ndef spring(name): ...\n")
        use_plugins([tmp_path])
        with raises(RequestError, "bad_part"):
            GADGETS["spring"]


class Machine(Section):
    """A section with the names of parts."""

    main: Annotated[str, PartOf("gadget")] = Field(default="skills", description="the first")
    spare: Annotated[str | None, PartOf("gadget")] = None
    others: Annotated[tuple[str, ...], PartOf("gadget")] = ()


class Factory(Section):
    """A section around another."""

    machine: Machine = Machine()


class TestRunFile:
    def test_names_are_checked_with_their_keys(self, tmp_path: Path) -> None:
        write(tmp_path, "spring")
        use_plugins([tmp_path])
        check_parts(Factory(machine=Machine(spare="spring", others=("checkers",))))
        for key, value in (("main", "x"), ("spare", "x"), ("others", ("skills", "x"))):
            with raises(ConfigError, "unknown_part") as raised:
                check_parts(Machine.model_validate({key: value}), "run.yaml")
            assert raised.value.message.startswith(f"run.yaml: {key}: ")

    def test_the_parts_of_others_that_are_used_have_versions(self, tmp_path: Path) -> None:
        file = write(tmp_path, "spring")
        write(tmp_path, "lever")
        use_plugins([tmp_path])
        factory = Factory(machine=Machine(spare="spring", others=("spring", "checkers")))
        before = part_versions(factory)
        assert len(before) == 1
        file.write_text(file.read_text() + "# changed\n")
        assert part_versions(factory) != before
        assert part_versions(Factory()) == []

    def test_the_schema_offers_the_names_beside_any_other(self) -> None:
        schema: dict[str, Any] = TypeAdapter(Machine).json_schema()
        list_parts(schema, {"gadget": ("skills", "checkers")})
        offered = [{"enum": ["skills", "checkers"]}, {"type": "string"}]
        main, spare, others = schema["properties"].values()
        assert main["anyOf"] == offered and main["description"] == "the first"
        assert spare["anyOf"][0]["anyOf"] == offered
        assert others["items"]["anyOf"] == offered
        assert "x-part-of" not in json.dumps(schema)

    def test_validate_lists_what_it_does_not_import(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path / "own", "spring", OWN + "raise RuntimeError('imported')\n")
        run = tmp_path / "run.yaml"
        run.write_text("domain: d\nseeds: {keywords: [lamp]}\nplugins: own\n")
        assert metasynth("validate", run) == 0
        assert "gadget spring" in capsys.readouterr().out
        run.write_text("domain: d\nseeds: {keywords: [lamp]}\nplugins: [own, none]\n")
        assert metasynth("validate", run) == 2
        assert "plugins: no such directory" in capsys.readouterr().err
