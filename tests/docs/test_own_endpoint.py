"""The README's commands for an own endpoint, carried out as they are printed."""

import socket
from pathlib import Path

import pytest

from tests.commands import corpus_of, metasynth
from tests.documentation import ROOT, blocks_of, program
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

PORT = 8000  # the README's


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_the_commands_for_an_own_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_free(PORT):
        pytest.skip(f"something else listens on port {PORT}, which the README names")
    [block] = [
        block
        for block in blocks_of(ROOT / "README.md")
        if "export OPENAI_API_KEY" in block.text and "preview" in block.text
    ]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(Teacher()) as openai, OpenAIServer(Teacher(), port=PORT) as own:
        monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)  # where the README means OpenAI
        for words in block.commands():
            if program(words) == "export":
                monkeypatch.setenv(*words[1].split("=", 1))
            else:
                assert metasynth(*words[1:]) == 0, words
        assert own.requests
        assert {request["model"] for request in own.requests} == {"qwen3-32b"}
        assert {request["model"] for request in openai.requests} == {"gpt-4o-mini"}
    assert len(corpus_of(tmp_path / "runs" / "finance")) == 8
    assert len(corpus_of(tmp_path / "runs" / "qwen")) == 8
