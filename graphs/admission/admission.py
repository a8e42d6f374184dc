"""The one door to the corpus."""

import asyncio
from datetime import UTC, datetime

from metasynth.memory.corpus import Corpus
from metasynth.memory.records import RecordMemory
from metasynth.records.record import Record

from .draft import Draft, Verdict
from .gate import Gate


class Admission:
    """Admits a record exactly once, and only if it is still new.

    Between the gate's judgement and admission another chain may have admitted something close, so
    novelty is measured again here, one record at a time. The corpus file comes first: whatever a
    kill leaves undone after it is made good from the file at the next start. Nobody hears of an
    admission before its line is on the disk; those that wait for it at a moment share one sync.
    """

    def __init__(
        self, corpus: Corpus, memory: RecordMemory, gate: Gate, *, keeps_time: bool = True
    ) -> None:
        self._corpus = corpus
        self._memory = memory
        self._gate = gate
        self._keeps_time = keeps_time
        self._one_at_a_time = asyncio.Lock()

    async def admit(self, record: Record, draft: Draft) -> Verdict:
        """Write the record, unless something nearer than the gate allows has come before it."""
        async with self._one_at_a_time:
            if record.id in self._corpus:
                return Verdict(novelty=record.novelty)
            verdict = await self._gate.novelty(draft)
            if not verdict.passed:
                return verdict
            stamped = record.model_copy(
                update={"novelty": verdict.novelty, "created_at": self._now()}
            )
            self._corpus.accept(stamped, synced=False)
            self._gate.learn([stamped])
            await self._memory.remember(stamped)
        await self._corpus.synced(stamped)
        return verdict

    async def reject(self, record: Record) -> None:
        """Keep a record that did not pass, with its reason."""
        stamped = record.model_copy(update={"created_at": self._now()})
        self._corpus.reject(stamped, synced=False)
        await self._corpus.synced(stamped)

    def _now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="seconds") if self._keeps_time else ""
