"""The documentation builds strictly, and its pages load nothing from elsewhere."""

import ast
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from metasynth.agents.roles.role import Role
from metasynth.cli.main import app
from metasynth.config.run import RunConfig
from metasynth.records.record import Record
from tests.documentation import ROOT

_LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
_NOT_FETCHED = {"canonical", "next", "prev"}  # a browser follows these links only when told


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """Collects what a page makes a browser fetch from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(_LOADED.get(tag, "")) or ""
        if tag == "link" and given.get("rel") in _NOT_FETCHED:
            return
        if re.match(r"(https?:)?//", address):
            self.external.append(address)


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        found = Loaded()
        found.feed(page.read_text(encoding="utf-8"))
        assert not found.external, f"{page.name}: {found.external}"


def test_stylesheets_load_nothing_from_elsewhere(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet


def test_diagrams_are_drawn_by_what_the_site_brings(site: Path) -> None:
    page = (site / "reference" / "graphs.html").read_text(encoding="utf-8")
    assert 'class="mermaid"' in page
    scripts = re.findall(r'<script src="([^"]+)"', page)
    assert any(script.endswith("mermaid.tiny.js") for script in scripts)
    assert (site / "javascripts" / "mermaid.tiny.js").exists()


def test_the_reference_has_every_command(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    groups = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - the class is typer's own
    for name, command in groups.items():
        for child in getattr(command, "commands", None) or [""]:
            assert f"<code>metasynth {name} {child}".rstrip() + "</code>" in page


@pytest.mark.parametrize("model", [RunConfig, Record, Role])
def test_every_key_says_what_it_is(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    for name, part in {"": schema, **schema.get("$defs", {})}.items():
        for key, field in part.get("properties", {}).items():
            told = field.get("description") or "$ref" in str(field)
            assert told, f"{name}.{key} has no description"


def codes_of(source: str) -> set[str]:
    """The codes that a file gives verdicts: the first word of one, or what is called `code`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not ast.unparse(node.func).endswith("Error"):
            first = node.args[:1] if ast.unparse(node.func) == "Verdict" else []
            given = [*first, *(each.value for each in node.keywords if each.arg == "code")]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("code", "_CODES"):
            given = list(ast.walk(node.value))  # type: ignore[arg-type]
        else:
            continue
        found |= {
            each.value
            for each in given
            if isinstance(each, ast.Constant)
            and isinstance(each.value, str)
            and re.fullmatch("[a-z]+(_[a-z]+)*", each.value)
        }
    return found - {"high", "low", "middle"}  # the directions of the student's codes


def test_every_reason_of_a_rejection_is_told() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (.*?) \|", page, re.MULTILINE))))
    given = set().union(*(codes_of(file.read_text()) for file in (ROOT / "graphs").rglob("*.py")))
    assert {"too_close", "wrong_answer", "student_easy", "overlap", "no_question"} <= given
    assert given <= told
