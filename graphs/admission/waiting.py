"""Candidates that passed the gate and wait until the student chooses among them.

Each lies in a journal before its chain goes on, and each choice in another before any of it is
carried out. So a kill loses no candidate, and the next start carries out the same choice: a record
that is in the corpus already, accepted or rejected, was decided.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from metasynth.memory.journal import Journal
from metasynth.records.record import Record

from .draft import Draft


class Candidate(NamedTuple):
    """A record as it would enter the corpus, and what the gate is shown of it."""

    record: Record
    draft: Draft

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Candidate":
        """The candidate of a journal's entry."""
        draft = {**entry["draft"], "seed_set": tuple(entry["draft"]["seed_set"])}
        return cls(Record.model_validate(entry["record"]), Draft(**draft))


@dataclass(frozen=True)
class Choice:
    """Candidates from the best to the last, and how many of them may be taken."""

    ids: tuple[str, ...]
    keep: int


class NoRoom:
    """Where records do not wait: each is admitted by itself."""

    chooses = False

    def __len__(self) -> int:
        """None is here."""
        return 0

    def __contains__(self, id_: object) -> bool:
        """It does not wait."""
        return False

    def __iter__(self) -> Iterator[Record]:
        """Nothing."""
        return iter(())

    def find(self, id_: str) -> Candidate | None:  # noqa: ARG002 - see `WaitingRoom`
        """None."""
        return None


class WaitingRoom(NoRoom):
    """The candidates of a run that wait, in the order in which they came.

    Args:
        held: Journal of them.
        choices: Journal of what was chosen among them.
        ended: Whether a record was accepted or rejected.
    """

    chooses = True

    def __init__(self, held: Journal, choices: Journal, *, ended: Callable[[str], bool]) -> None:
        self._held = held
        self._choices = choices
        self._waiting: dict[str, Candidate] = {}
        for candidate in map(Candidate.of, held.entries()):
            if not ended(candidate.record.id):
                self._waiting[candidate.record.id] = candidate
        given = (Choice(tuple(entry["ids"]), entry["keep"]) for entry in choices.entries())
        self._unfinished = [choice for choice in given if any(id_ in self for id_ in choice.ids)]
        self._chosen = {id_ for choice in self._unfinished for id_ in choice.ids}
        self.one_at_a_time = asyncio.Lock()

    def __len__(self) -> int:
        """How many are not decided yet."""
        return len(self._waiting)

    def __contains__(self, id_: object) -> bool:
        """Whether this record waits."""
        return id_ in self._waiting

    def __iter__(self) -> Iterator[Record]:
        """The records not decided yet, the first first."""
        return iter([candidate.record for candidate in self._waiting.values()])

    @property
    def unchosen(self) -> list[Record]:
        """Those that no choice was made among yet."""
        return [record for record in self if record.id not in self._chosen]

    @property
    def unfinished(self) -> list[Choice]:
        """Choices that an earlier start made and did not carry out to the end."""
        return list(self._unfinished)

    def find(self, id_: str) -> Candidate | None:
        """The candidate with this id, if it waits."""
        return self._waiting.get(id_)

    async def add(self, candidate: Candidate) -> None:
        """Have a candidate wait; it is on the disk when this returns."""
        record = candidate.record.model_dump(mode="json", exclude_none=True)
        entry = {"record": record, "draft": asdict(candidate.draft)}
        await asyncio.to_thread(self._held.append, entry)
        self._waiting[candidate.record.id] = candidate

    async def choose(self, ids: Sequence[str], keep: int) -> Choice:
        """Write a choice down, which is to be carried out then."""
        choice = Choice(tuple(ids), keep)
        entry = {"ids": list(ids), "keep": keep}
        await asyncio.to_thread(self._choices.append, entry)
        self._chosen.update(ids)
        return choice

    def leave(self, id_: str) -> None:
        """A record is decided and waits no longer."""
        del self._waiting[id_]
        self._chosen.discard(id_)
        self._unfinished = [
            choice
            for choice in self._unfinished
            if any(waiting_id in self for waiting_id in choice.ids)
        ]
