"""Every command of the documentation is one that the application understands, or make has."""

import importlib.util
import re
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


def test_a_command_that_is_none_would_be_found() -> None:
    for wrong in (["nosuch"], ["run"], ["run", "a.yaml", "--nosuch"], ["eval", "nosuch", "x"]):
        with pytest.raises((TyperException, AssertionError)):
            parse(wrong)
