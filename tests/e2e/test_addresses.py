"""Nothing is sent anywhere but to the endpoint that the run file names."""

import ipaddress
from pathlib import Path

from tests.commands import Command, addresses, corpus_of, small_run
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


def test_a_whole_run_speaks_to_its_endpoint_alone(tmp_path: Path) -> None:
    with OpenAIServer(Teacher()) as server:
        run = small_run(server.base_url, budget__records=2, memory__embedder="default")
        with Command(*run, "--out", tmp_path / "run", folder=tmp_path) as command:
            ended = command.end()
    assert ended.status == 0, ended.stderr
    assert len(corpus_of(tmp_path / "run")) == 2
    spoken_to = addresses()
    assert "127.0.0.1" in spoken_to
    assert all(ipaddress.ip_address(address).is_loopback for address in spoken_to), spoken_to
