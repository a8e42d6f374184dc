"""A process that writes records until it is killed: `python -m tests.memory_writer FOLDER`.

After each record everything is written, and then its number stands on stdout.
"""

import asyncio
import sys
from pathlib import Path

from langchain_core.messages import AIMessage
from langgraph.store.base import IndexConfig

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
    asyncio.run(write(Path(sys.argv[1])))
