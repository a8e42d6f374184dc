"""Killed with SIGKILL at random moments and started again, does a run end as if undisturbed?

    python -m benchmarks.kills [--kills 20] [--records 60] [--seed 0]

A moment is a random number of requests that the test server has seen since the start, and a random
part of a second after that, so that kills fall between requests too. After each kill the records
that were in the corpus must still be there, in their order; in the end there are as many as asked
for, no id twice, and the store holds exactly these.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.whole_runs import corpus_ids, document_run, ledger_calls, start
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.rundir import RunDirectory
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher
from tests.word_embeddings import WordEmbeddings


class Counting:
    """A teacher that says when it has been asked for the n-th time."""

    def __init__(self) -> None:
        self._teacher = Teacher()
        self._left = 0
        self.reached = threading.Event()

    def after(self, requests: int) -> None:
        """Begin to count."""
        self.reached.clear()
        self._left = requests

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._left -= 1
        if self._left == 0:
            self.reached.set()
        return self._teacher(request)


async def remembered(out: Path) -> set[str]:
    """The ids in the store, which must hold the same summaries and openings."""
    name = f"run-{RunDirectory(out).identity()}"
    index: Any = {"dims": 384, "embed": WordEmbeddings(384), "fields": ["summary"]}
    with ChromaStore.open(out / "memory", index=index, name=name) as store:
        found = [
            {item.key for item in await store.asearch((part,), limit=100_000)}
            for part in ("summaries", "openings")
        ]
    assert found[0] == found[1]
    return found[0]


def main() -> int:
    """Run the benchmark; status 1 where anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    teacher = Counting()
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="metasynth-") as folder,
        OpenAIServer(teacher, latency_s=0.02) as server,
    ):
        out = Path(folder) / "run"
        command = document_run(server.base_url, out, options.records, options.chains)
        kept: list[str] = []
        each = 11 * options.records // (options.kills + 1)
        for number in range(1, options.kills + 1):
            teacher.after(rng.randint(1, each))
            process = start(command)
            while not teacher.reached.wait(0.1):
                if process.poll() is not None:
                    break
            time.sleep(rng.random() * 0.5)
            os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None
            status = process.wait()
            now = corpus_ids(out)
            if now[: len(kept)] != kept:
                faults.append(f"kill {number}: records were lost")
            kept = now
            print(f"kill {number:>2}: status {status}, {len(now)} records kept", flush=True)
        status = start(command).wait()
        ids = corpus_ids(out)
        if status != 0 or len(ids) != options.records:
            faults.append(f"status {status}, {len(ids)} records instead of {options.records}")
        if ids[: len(kept)] != kept:
            faults.append("records were lost")
        if len(set(ids)) != len(ids):
            faults.append("an id is there twice")
        if asyncio.run(remembered(out)) != set(ids):
            faults.append("store and corpus disagree")
        bodies = [json.dumps(request, sort_keys=True) for request in server.requests]
        print(f"records {len(ids)}, distinct {len(set(ids))}, status {status}")
        print(f"calls {len(bodies)}, in the ledger {ledger_calls(out)}, ", end="")
        print(f"asked twice {len(bodies) - len(set(bodies))}")
    print("\n".join(faults) or "nothing lost, nothing twice, store and corpus agree")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
