"""Every command of the documentation is one that the application understands, or make has."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from metasynth.cli.main import app
from tests.documentation import PAGES, ROOT, Block, blocks_of, program

SHELL = [b for page in PAGES for b in blocks_of(page) if b.language in ("bash", "sh")]
# What else may stand in a block for the shell; whether it works is not ours.
OTHERS = {"cat", "cd", "cp", "curl", "export", "git", "head", "ls", "npx", "pip", "vllm", "wc"}


def parse(words: list[str]) -> None:
    """Read a command line as the application would, without carrying it out.

    Raises:
        TyperException: The application does not understand it.
    """
    command: Any = typer.main.get_command(app)
    name = "metasynth"
    while words and words[0] in getattr(command, "commands", {}):
        command, name = command.commands[words[0]], f"{name} {words[0]}"
        words = words[1:]
    assert not hasattr(command, "commands") or "--help" in words, f"{name} has no {words[:1]}"
    if "--help" not in words:
        command.make_context(name, list(words))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.where)
def test_every_command_is_one_that_there_is(block: Block) -> None:
    for words in block.commands():
        name = program(words)
        if name == "metasynth":
            try:
                parse(words[1:])
            except TyperException as error:
                pytest.fail(f"{block.where}: {' '.join(words)}: {error.format_message()}")
        elif name == "make":
            assert set(words[1:]) <= make_targets(), block.where
        elif name.startswith("python"):
            assert words[1] == "-m" and importlib.util.find_spec(words[2]), block.where
        elif name == "langgraph":
            assert words[1] == "dev", block.where
        else:
            assert name in OTHERS, f"{block.where}: {name}"


def mentioned(page: Path) -> Iterator[tuple[str, list[str], set[str]]]:
    """Commands within the text of a page: as they stand, the names of each, and its options."""
    prose = re.sub(
        r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for span in re.findall(r"`(?:\.venv/bin/)?(metasynth [^`]+)`", prose):
        text = span.replace("\\|", "|")
        names = re.match(r"metasynth((?: [a-z][a-z|-]*)*)", text)
        assert names is not None
        yield span, names[1].split(), set(re.findall(r"--[a-z][a-z-]*", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_a_text_have_the_names_and_options_that_it_says(page: Path) -> None:
    for span, names, options in mentioned(page):
        found: list[Any] = [typer.main.get_command(app)]
        for name in names:
            known = [getattr(command, "commands", {}) for command in found]
            if not any(known):
                break  # a word that is no command's name, such as a file's
            found = [group[each] for group in known for each in name.split("|") if each in group]
            assert len(found) == len(name.split("|")), f"{page.name}: `{span}`: {name}"
        known_options = {each for command in found for p in command.params for each in p.opts}
        assert options <= known_options | {"--help"}, f"{page.name}: `{span}`"


def test_a_command_that_is_none_would_be_found() -> None:
    for wrong in (["nosuch"], ["run"], ["run", "a.yaml", "--nosuch"], ["eval", "nosuch", "x"]):
        with pytest.raises((TyperException, AssertionError)):
            parse(wrong)
