"""What a newcomer tries first, and what the disk may refuse."""

import errno
import json

import pytest

from metasynth.agents.roles.reading import parse_role
from metasynth.cli.main import guarded
from tests.commands import FINANCE, metasynth


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("--version") == 0
    assert capsys.readouterr().out.startswith("metasynth ")


def test_validate_speaks_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("validate", FINANCE, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["graph"], told["budget"]["records"] > 0) == ("document", True)
    assert "summarizer" in told["roles"] and told["identity"]


def test_a_role_is_shown_as_a_role_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("roles", "show", "summarizer") == 0
    role = parse_role(capsys.readouterr().out, where="stdout")
    assert role.name == "summarizer"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/run/corpus.jsonl"),
        RuntimeError("SafetensorError: I/O error: No space left on device (os error 28)"),
        RuntimeError("error returned from database: (code: 13) database or disk is full"),
    ],
)
def test_a_full_disk_is_one_line_whoever_wrote(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise error

    assert guarded(write) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "cannot be written" in told
    with pytest.raises(ValueError, match="a defect"):
        guarded(lambda: (_ for _ in ()).throw(ValueError("a defect")))
