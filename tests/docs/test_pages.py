"""The documentation's pages, carried out as a reader would: files written, commands run, in order.

Each page has a folder of its own with a copy of `examples/`. Endpoints are a server over loopback,
to which `OPENAI_BASE_URL` leads. Of `make demo` a smaller one is carried out, once for all pages;
other targets of make are not (`test_docs_commands.py` sees that they exist).
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import corpus_of, metasynth
from tests.documentation import PAGES, ROOT, Block, blocks_of, program
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

DEMO = Path("runs") / "demo"
SMALLER = ["--quiet", "--set", "budget.records=3", "--set", "concurrency=1"]


def is_run(block: Block) -> bool:
    return block.language in ("bash", "sh") and not block.not_run


RUN = [page for page in PAGES if any(map(is_run, blocks_of(page)))]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` leaves, with fewer records."""
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^demo:.*\n\t\S+/metasynth (.+)$", makefile, re.MULTILINE)
    assert recipe is not None
    folder = tmp_path_factory.mktemp("demo")
    words = [
        str(ROOT / word) if word.startswith("examples/") else word for word in recipe[1].split()
    ]
    words[words.index("--out") + 1] = str(folder / DEMO)
    assert metasynth(*words, *SMALLER) == 0
    return folder / DEMO


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with OpenAIServer(Teacher()) as server:
        yield server.base_url


class Reader:
    """Somebody who does what a page says, in a folder."""

    def __init__(self, folder: Path, endpoint: str, environment: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._endpoint = endpoint
        self._environment = environment

    def follow(self, page: Path) -> None:
        """Write the files and run the commands of a page."""
        for block in blocks_of(page):
            if block.title:
                path = self._folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif is_run(block):
                for words in block.commands():
                    self._run(words, block.where)

    def _run(self, words: list[str], where: str) -> None:
        name = program(words)
        if name == "metasynth":
            assert words[1] != "studio", f"{where}: it serves until it is ended: mark it as not run"
            status = metasynth(*self._filled_in(words[1:]))
            assert status == 0, f"{where}: {' '.join(words)}"
        elif name == "export":
            variable, _, value = words[1].partition("=")
            if variable != "PATH":
                self._environment.setenv(
                    variable, self._endpoint if variable == "OPENAI_BASE_URL" else value
                )
        elif name in ("cat", "head", "ls", "wc"):
            subprocess.run(words, cwd=self._folder, check=True, capture_output=True)
        else:
            assert name == "make", f"{where}: {name} is not run; say why with <!-- not run: … -->"

    def _filled_in(self, words: list[str]) -> list[str]:
        """ID stands for a record's id of the run named before it."""
        return [
            corpus_of(Path(words[number - 1]))[0].id if word == "ID" else word
            for number, word in enumerate(words)
        ]


@pytest.mark.timeout(1200)  # the tutorial is a page, and machines are slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_page_says_works(
    page: Path,
    tmp_path: Path,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    if any(str(DEMO) in block.text for block in blocks_of(page) if is_run(block)):
        shutil.copytree(request.getfixturevalue("demo"), tmp_path / DEMO)
    Reader(tmp_path, endpoint, monkeypatch).follow(page)


def test_every_page_of_the_tutorial_and_the_guides_is_carried_out() -> None:
    guides = {page for page in PAGES if page.parent.name == "guides"}
    # the student on a GPU needs one
    told = {ROOT / "docs" / "tutorial.md", *guides} - {ROOT / "docs/guides/student-on-a-gpu.md"}
    assert told - {ROOT / "docs/guides/scaling-out.md"} <= set(RUN)
