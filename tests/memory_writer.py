"""A process that writes records until it is killed: `python -m tests.memory_writer FOLDER [held]`.

After each record everything is written, and then its number stands on stdout. `held` is a process
whose store never opens, so that all writes to it are pending when it is killed.
"""

import asyncio
import sys
import threading
from pathlib import Path

from langchain_core.messages import AIMessage
from langgraph.store.base import BaseStore, IndexConfig

from metasynth.memory.corpus import Corpus
from metasynth.memory.ledger import CallKey, CallTag, Ledger
from metasynth.memory.records import RecordMemory
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.record import Record
from tests.word_embeddings import WordEmbeddings


def index() -> IndexConfig:
    return {"dims": 256, "embed": WordEmbeddings(), "fields": ["text"]}


def record(number: int) -> Record:
    return Record(
        id=f"r{number}",
        text=f"w{number} goes to the mill. " + "It is far. " * 2000,
        summary=f"w{number} walks",
        topic=f"t{number % 3}",
        reason="too_close: r0" if number % 4 == 3 else None,
    )


def call(number: int) -> CallTag:
    return CallTag(CallKey("c", str(number), "p"), record_id=f"r{number}")


async def write_held(folder: Path) -> None:
    with Corpus(folder) as corpus:
        memory = RecordMemory(never, WordEmbeddings())
        memory.load(corpus)
        number = corpus.accepted + corpus.rejected
        while True:
            new = record(number)
            if not new.reason:
                corpus.accept(new)
                await memory.remember(new)
                assert (await memory.nearest(summary=new.summary))[0].id == new.id
            else:
                corpus.reject(new)
            print(number, flush=True)  # noqa: T201
            number += 1


def never() -> BaseStore:
    threading.Event().wait()
    raise AssertionError


async def write(folder: Path) -> None:
    corpus, ledger = Corpus(folder), Ledger(folder / "ledger")
    store = ChromaStore.open(folder / "memory", index=index())
    memory = RecordMemory(store, WordEmbeddings())
    await memory.reconcile(corpus)
    number = corpus.accepted + corpus.rejected
    while True:
        ledger.record(call(number), AIMessage(f"answer {number}"), seconds=1.0)
        new = record(number)
        if new.reason:
            corpus.reject(new)
        else:
            corpus.accept(new)
            await memory.remember(new)
        await store.aput(("state",), "latest", {"number": number, "text": f"w{number}"})
        print(number, flush=True)  # noqa: T201
        number += 1


if __name__ == "__main__":
    work = write_held if sys.argv[2:] == ["held"] else write
    asyncio.run(work(Path(sys.argv[1])))
