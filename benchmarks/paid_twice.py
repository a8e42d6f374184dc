"""Are finished calls paid for twice? A run of one-call records is killed at its half.

    python -m benchmarks.paid_twice [--records 500] [--in-flight 10]

A test server counts what it is asked. It keeps the last calls before the half waiting, so that all
chains have one in flight when the first start is killed with SIGKILL. The second start goes on to
the end: it may repeat at most those.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.whole_runs import corpus_ids, ledger_calls, start, template_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


def main() -> int:
    """Run the benchmark; status 1 where more was repeated than was under way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--in-flight", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.05, help="of the server, in seconds")
    options = parser.parse_args()
    teacher, half = Teacher(), threading.Event()
    asked = 0

    def respond(request: dict[str, Any]) -> Reply:
        nonlocal asked
        asked += 1
        reply, left = teacher(request), options.records // 2 - asked
        if left == 0:
            half.set()
        return replace(reply, delay_s=3600) if 0 <= left < options.in_flight else reply

    with (
        tempfile.TemporaryDirectory(prefix="metasynth-") as folder,
        OpenAIServer(respond, latency_s=options.latency) as server,
    ):
        out = Path(folder) / "run"
        command = template_run(server.base_url, out, options.records, options.in_flight)
        first = start(command)
        half.wait()
        in_flight = server.in_flight
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        before, paid = len(server.requests), ledger_calls(out)
        began = time.monotonic()
        status = start(command).wait()
        seconds = time.monotonic() - began
        bodies = [json.dumps(request, sort_keys=True) for request in server.requests]
        repeated = len(bodies) - len(set(bodies))
        print(f"killed with {before} calls asked for, {paid} in the ledger, {in_flight} in flight")
        print(f"second start: status {status}, {len(bodies) - before} calls, {seconds:.0f} s")
        print(f"records {len(corpus_ids(out))}, calls in all {len(bodies)}, repeated {repeated}")
    return int(status != 0 or repeated > options.in_flight)


if __name__ == "__main__":
    sys.exit(main())
