"""The documentation's pages, taken apart: fenced blocks, and the commands in those for the shell.

A block for the shell is run by the tests, unless a comment before it says why it is not:

    <!-- not run: needs a GPU -->

A block with a title (```yaml title="my-run.yaml") is a file that its reader writes.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<language>\w*) *(?P<info>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block; `not_run` is why the tests leave it alone, "" where they do not."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The commands of a block for the shell, as words; `NAME=value` before one is dropped."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                del words[0]
            if words:
                yield words


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if opened is None:
            continue
        start, indent = number, len(opened["indent"])
        while lines[number].strip() != opened["fence"]:
            number += 1
        before = next((line for line in reversed(lines[: start - 1]) if line.strip()), "")
        said, title = _NOT_RUN.search(before), _TITLE.search(opened["info"])
        found.append(
            Block(
                page=page,
                line=start,
                language=opened["language"],
                title=title[1] if title else "",
                text="\n".join(line[indent:] for line in lines[start:number]) + "\n",
                not_run=said[1] if said else "",
            )
        )
        number += 1
    return found


def program(words: list[str]) -> str:
    """The name of the program that a command starts, wherever it lies."""
    return words[0].rpartition("/")[2]
