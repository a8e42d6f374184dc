"""Every model call with its response, so that no finished call is paid for twice.

A call is written when it has ended and before its response is used: a killed run that comes to the
same step again finds the response here. Calls that end at one moment are committed
together. A power cut can take the last moments, see `metasynth.sqlite`: it costs those calls again
and nothing else.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from langchain_core.messages import AIMessage

from metasynth.errors import MetaSynthError
from metasynth.sqlite import open_sqlite
from metasynth.usage import MOST_TOKENS, plain_count

from .messages import parse_response, response_text
from .together import Together

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY,
    chain TEXT NOT NULL, step TEXT NOT NULL, payload TEXT NOT NULL,
    record_id TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, response TEXT NOT NULL,
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, seconds REAL NOT NULL, usd REAL,
    created_at TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, seed INTEGER, adaptation TEXT NOT NULL DEFAULT '',
    UNIQUE (chain, step, payload, attempt)
);
CREATE INDEX IF NOT EXISTS calls_by_record ON calls (record_id, number);
CREATE TABLE IF NOT EXISTS beginnings (record_id TEXT PRIMARY KEY, state TEXT NOT NULL);
"""
_FIRST_COLUMNS = (
    "chain, step, payload, record_id, agent, model, response, tokens_in, tokens_out, seconds, usd, "
    "created_at"
)
_COLUMNS = f"{_FIRST_COLUMNS}, attempt, seed, adaptation"
_ADD = f"INSERT OR IGNORE INTO calls ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608
_FIRST_ATTEMPTS = f"{_FIRST_COLUMNS}, 0, NULL, ''"  # of a ledger that knows no other
_MIGRATION = f"""
BEGIN IMMEDIATE;
DROP INDEX IF EXISTS calls_by_record;
ALTER TABLE calls RENAME TO earlier_calls;
{_SCHEMA}
INSERT INTO calls (number, {_FIRST_COLUMNS}) SELECT number, {_FIRST_COLUMNS} FROM earlier_calls;
DROP TABLE earlier_calls;
PRAGMA user_version = 1;
COMMIT;
"""  # noqa: S608 - of constants


_MOST_USD = 1e6
_SOUND_USD = f"CASE WHEN usd BETWEEN 0 AND {_MOST_USD} THEN usd END"


def _sound(column: str) -> str:
    """A count of tokens in SQL; earlier versions wrote down whatever a server said."""
    return (
        f"CASE WHEN typeof({column}) = 'integer' AND {column} BETWEEN 0 AND {MOST_TOKENS} "
        f"THEN {column} ELSE length(response) / 4 END"
    )


_SUMS = (
    f"COUNT(*), SUM({_sound('tokens_in')}), SUM({_sound('tokens_out')}), SUM(seconds), "
    f"TOTAL({_SOUND_USD}), SUM(({_SOUND_USD}) IS NULL)"
)


class Price(Protocol):
    """US dollars for a million tokens."""

    @property
    def input(self) -> float: ...
    @property
    def output(self) -> float: ...


class CallKey(NamedTuple):
    """What a call is known by: who makes it, where in its work, with what, and which try it is.

    A second attempt follows an answer that had nothing in it, which was paid for all the same.
    """

    chain: str
    step: str
    payload: str
    attempt: int = 0

    @property
    def place(self) -> str:
        """The key in words; that of a first attempt does not speak of attempts."""
        return "/".join((*self[:3], str(self.attempt)) if self.attempt else self[:3])


@dataclass(frozen=True, slots=True)
class CallTag:
    """What a call carries so that the ledger knows it.

    `model` is the name that the prices table uses, `seed` what the model sampled with.
    """

    key: CallKey
    agent: str = ""
    record_id: str = ""
    model: str = ""
    seed: int | None = None

    def metadata(self) -> dict[str, Any]:
        """For the `metadata` of the call's config."""
        return {
            "metasynth_call": {
                "key": list(self.key),
                "agent": self.agent,
                "record_id": self.record_id,
                "model": self.model,
                "seed": self.seed,
            }
        }


@dataclass(frozen=True, slots=True)
class Totals:
    """What calls used: tokens, seconds of model time, US dollars.

    `usd` sums the calls that have a price; `unpriced` counts those that have none.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.seconds + other.seconds,
            self.usd + other.usd,
            self.unpriced + other.unpriced,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A finished call.

    Attributes:
        usd: None where the model has no price.
        seed: None where none was sent.
        adaptation: What was changed in the request for this endpoint; "" for nothing.
    """

    key: CallKey
    record_id: str
    agent: str
    model: str
    response: AIMessage
    tokens_in: int
    tokens_out: int
    seconds: float
    usd: float | None
    created_at: str
    seed: int | None = None
    adaptation: str = ""

    def totals(self) -> Totals:
        """The call's own share."""
        return Totals(
            calls=1,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            seconds=self.seconds,
            usd=self.usd or 0.0,
            unpriced=int(self.usd is None),
        )


class _Written(NamedTuple):
    """A call on its way into the file."""

    call: Call
    response: str


class _Begun(NamedTuple):
    """What a record starts from, on its way into the file; None: it has ended."""

    record_id: str
    state: str | None


class Ledger:
    """The calls of one run, in one SQLite file; safe for threads and tasks of one process.

    It also keeps what records in work have started from, where the calls are all that there is of
    them: made anew from there, they come to the same calls.

    Args:
        read_only: It is looked at beside a run that may be going on; it must be there.

    Attributes:
        has_older_keys: Whether it holds calls of a release that hashed the seed into the key.

    Raises:
        MetaSynthError: The file cannot be read or written, here and in all methods; see
            `metasynth.sqlite`.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._db = open_sqlite(path, read_only=read_only)
        self._columns = _COLUMNS
        try:
            present = self._present()
            if read_only and not present:
                raise MetaSynthError(f"{path}: is no ledger", code="not_a_database")
            if read_only:
                self._columns = _COLUMNS if "attempt" in present else _FIRST_ATTEMPTS
            elif not present or "attempt" in present:
                self._db.executescript(_SCHEMA)
            else:
                self._db.executescript(_MIGRATION)
            self.has_older_keys = bool(self._db.execute("PRAGMA user_version").fetchone()[0])
            self._by_agent = self._load_totals()
            # its own connection: who reads does not wait for a commit
            self._read = self._db if read_only else open_sqlite(path, read_only=True)
        except MetaSynthError:
            self._db.close()
            raise
        self._totals = sum(self._by_agent.values(), Totals())
        self._reading = threading.Lock()
        self._together = Together(self._write, name="ledger")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._together.close()
        with self._lock, self._reading:
            self._read.close()
            self._db.close()

    @property
    def commits(self) -> int:
        """How often calls were committed for tasks that waited."""
        return self._together.groups

    def lookup(self, key: CallKey) -> AIMessage | None:
        """The response of a call that has ended before, as a new message."""
        with self._reading:
            row = self._read.execute(
                "SELECT response FROM calls "
                "WHERE chain = ? AND step = ? AND payload = ? AND attempt = ?",
                key,
            ).fetchone()
        return None if row is None else parse_response(row[0])

    def record(
        self,
        tag: CallTag,
        response: AIMessage,
        *,
        seconds: float,
        prices: Mapping[str, Price] | None = None,
    ) -> Call | None:
        """Write a finished call down; None if one with this key is there already."""
        call = _finished(tag, response, seconds, prices or {})
        return call if self._write([_Written(call, response_text(response))])[0] else None

    async def arecord(
        self,
        tag: CallTag,
        response: AIMessage,
        *,
        seconds: float,
        prices: Mapping[str, Price] | None = None,
    ) -> Call | None:
        """The same; returns when the call is committed, with all that ended meanwhile."""
        call = _finished(tag, response, seconds, prices or {})
        return call if await self._together.done(_Written(call, response_text(response))) else None

    def begin(self, record_id: str, state: Mapping[str, Any]) -> None:
        """Keep what a record starts from; it is there when its first call is."""
        self._together.put(_Begun(record_id, json.dumps(state)))

    def end(self, record_id: str) -> None:
        """Forget what a record that has ended started from."""
        self._together.put(_Begun(record_id, None))

    def beginning(self, record_id: str) -> dict[str, Any] | None:
        """What a record in work started from, at an earlier start; None where nothing is known."""
        with self._reading:
            row = self._read.execute(
                "SELECT state FROM beginnings WHERE record_id = ?", (record_id,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def take_over(self, calls: Iterable[Call]) -> None:
        """Write down calls that another ledger had; those that are there already stay."""
        self._write([_Written(call, response_text(call.response)) for call in calls])

    def totals(self) -> Totals:
        """What all calls used, at no cost."""
        return self._totals

    def totals_by_agent(self) -> dict[str, Totals]:
        """What each agent's calls used, by name."""
        with self._lock:
            return dict(sorted(self._by_agent.items()))

    def busy_seconds(self) -> float:
        """How long at least one call was in flight: pauses between two starts do not count."""
        with self._reading:
            rows = self._read.execute("SELECT created_at, seconds FROM calls").fetchall()
        spans = ((datetime.fromisoformat(ended).timestamp(), seconds) for ended, seconds in rows)
        busy, until = 0.0, float("-inf")
        for start, end in sorted((ended - seconds, ended) for ended, seconds in spans):
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return busy

    def calls_of(self, record_id: str) -> list[Call]:
        """The calls that a record took, in the order in which they ended."""
        with self._reading:
            rows = self._read.execute(
                f"SELECT {self._columns} FROM calls WHERE record_id = ? ORDER BY number",  # noqa: S608
                (record_id,),
            ).fetchall()
        return [_call(row) for row in rows]

    def totals_of(self, record_id: str) -> Totals:
        """What the calls of a record used."""
        with self._reading:
            row = self._read.execute(
                f"SELECT {_SUMS} FROM calls WHERE record_id = ?",  # noqa: S608
                (record_id,),
            ).fetchone()
        return Totals(*row) if row[0] else Totals()

    def _write(self, items: Sequence[_Written | _Begun]) -> list[bool]:
        """Commit together; which of the items were new."""
        with self._lock:
            with self._db:
                added = [self._insert(item) for item in items]
            for item, new in zip(items, added, strict=True):
                if new and isinstance(item, _Written):
                    self._totals += item.call.totals()
                    mine = self._by_agent.get(item.call.agent, Totals())
                    self._by_agent[item.call.agent] = mine + item.call.totals()
        return added

    def _insert(self, item: _Written | _Begun) -> bool:
        if isinstance(item, _Written):
            row, into = _row(item), _ADD
        elif item.state is None:
            row, into = (item.record_id,), "DELETE FROM beginnings WHERE record_id = ?"
        else:
            row, into = item, "INSERT OR REPLACE INTO beginnings VALUES (?, ?)"
        cursor: sqlite3.Cursor = self._db.execute(into, row)
        return bool(cursor.rowcount)

    def _present(self) -> set[str]:
        """The columns that the file has; none where it is new."""
        return {name for _, name, *_ in self._db.execute("PRAGMA table_info(calls)")}

    def _load_totals(self) -> dict[str, Totals]:
        rows = self._db.execute(
            f"SELECT agent, {_SUMS} FROM calls GROUP BY agent"  # noqa: S608
        )
        return {agent: Totals(*sums) for agent, *sums in rows}


def _call(row: tuple[Any, ...]) -> Call:
    chain, step, payload, record_id, agent, model, response, *used, attempt, seed, adapted = row
    *counts, seconds, usd, ended = used
    key = CallKey(chain, step, payload, attempt)
    tokens_in, tokens_out = (
        len(response) // 4 if (sound := plain_count(count)) is None else sound for count in counts
    )
    priced = usd if usd is not None and 0 <= usd <= _MOST_USD else None
    message = parse_response(response)
    told = tokens_in, tokens_out, seconds, priced, ended, seed, adapted
    return Call(key, record_id, agent, model, message, *told)


def _finished(
    tag: CallTag, response: AIMessage, seconds: float, prices: Mapping[str, Price]
) -> Call:
    usage: Mapping[str, Any] = response.usage_metadata or {}
    tokens_in = plain_count(usage.get("input_tokens")) or 0
    tokens_out = plain_count(usage.get("output_tokens")) or 0
    return Call(
        key=tag.key,
        record_id=tag.record_id,
        agent=tag.agent,
        model=tag.model or str(response.response_metadata.get("model_name", "")),
        response=response,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=seconds,
        usd=_usd(prices.get(tag.model), tokens_in, tokens_out),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        seed=tag.seed,
        adaptation=str(response.response_metadata.get("adaptation", "")),
    )


def _row(written: _Written) -> tuple[Any, ...]:
    call = written.call
    return (
        *call.key[:3],
        call.record_id,
        call.agent,
        call.model,
        written.response,
        call.tokens_in,
        call.tokens_out,
        call.seconds,
        call.usd,
        call.created_at,
        call.key.attempt,
        call.seed,
        call.adaptation,
    )


def _usd(price: Price | None, tokens_in: int, tokens_out: int) -> float | None:
    if price is None:
        return None
    return (tokens_in * price.input + tokens_out * price.output) / 1e6
