"""Killed in the middle of writing, corpus, ledger and store come to agree again."""

import random
import subprocess
import sys
from pathlib import Path

from metasynth.memory.corpus import Corpus
from metasynth.memory.ledger import Ledger
from metasynth.memory.records import RecordMemory
from metasynth.memory.store.chroma_store import ChromaStore
from tests.memory_writer import call, index, record
from tests.word_embeddings import WordEmbeddings

KILLS = 3


def write_until_killed(folder: Path, lines: int, *how: str) -> int:
    """Let a process write, kill it after so many acknowledged records; the last number of them."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.memory_writer", str(folder), *how],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
        text=True,
    ) as process:
        assert process.stdout is not None
        last = -1
        for _ in range(lines):
            last = int(process.stdout.readline())
        process.kill()  # the next record is being written now
        return max([last, *map(int, process.stdout.read().split())])


async def test_agreement_after_sigkill(tmp_path: Path) -> None:
    rng = random.Random(5)
    last = -1
    for _ in range(KILLS):
        last = write_until_killed(tmp_path, rng.randint(1, 12))
        corpus = Corpus(tmp_path)
        seen = [each.id for each in corpus.records()]
        refused = [each.id for each in corpus.rejected_records()]
        written = sorted(int(id_[1:]) for id_ in seen + refused)
        assert written == list(range(len(written)))  # none lost, none twice
        assert len(written) in (last + 1, last + 2)
        assert all(corpus.find(id_) == record(int(id_[1:])) for id_ in seen)

        ledger = Ledger(tmp_path / "ledger")
        assert all(ledger.lookup(call(number).key) is not None for number in written)
        assert ledger.totals().calls in (len(written), len(written) + 1)
        ledger.close()

        with ChromaStore.open(tmp_path / "memory", index=index()) as store:
            (latest,) = store.search(("state",))
            assert latest.value["number"] in (last, last + 1)
            (found,) = store.search(("state",), query=latest.value["text"])
            assert found.score is not None
            assert found.score > 0.999
            memory = RecordMemory(store, WordEmbeddings())
            await memory.reconcile(corpus)
            for namespace in ("summaries", "openings"):
                assert {item.key for item in store.search((namespace,), limit=1000)} == set(seen)
            assert len(memory) == corpus.accepted
            for id_ in seen:
                near = await memory.nearest(summary=f"w{id_[1:]} walks", k=1)
                assert near[0].id == id_
        corpus.close()
    assert last >= KILLS - 1


async def test_writes_that_were_pending_at_a_kill_are_made_good(tmp_path: Path) -> None:
    write_until_killed(tmp_path, 3)
    write_until_killed(tmp_path, 8, "held")
    with Corpus(tmp_path) as corpus, ChromaStore.open(tmp_path / "memory", index=index()) as store:
        seen = {each.id for each in corpus.records()}
        assert len({item.key for item in store.search(("summaries",), limit=100)}) < len(seen) - 3
        memory = RecordMemory(store, WordEmbeddings())
        await memory.reconcile(corpus)
        for namespace in ("summaries", "openings"):
            assert {item.key for item in store.search((namespace,), limit=100)} == seen
        for id_ in seen:
            assert (await memory.nearest(summary=f"w{id_[1:]} walks"))[0].id == id_
            (found,) = store.search(("summaries",), query=f"w{id_[1:]} walks", limit=1)
            assert found.key == id_
