"""Every model call with its response, so that no finished call is paid for twice.

A call is written when it has ended and before its response is used: a killed run that comes to the
same step again finds the response here. A power cut can take the last moments, see
`metasynth.sqlite`: it costs those calls again and nothing else.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from langchain_core.messages import AIMessage

from metasynth.errors import MetaSynthError
from metasynth.sqlite import open_sqlite
from metasynth.usage import MOST_TOKENS, plain_count

from .messages import parse_response, response_text

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
"""
_FIRST_COLUMNS = (
    "chain, step, payload, record_id, agent, model, response, tokens_in, tokens_out, seconds, usd, "
    "created_at"
)
_COLUMNS = f"{_FIRST_COLUMNS}, attempt, seed, adaptation"
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
        return Totals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


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


class Ledger:
    """The calls of one run, in one SQLite file; safe for threads and tasks of one process.

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
        except MetaSynthError:
            self._db.close()
            raise
        self._totals = sum(self._by_agent.values(), Totals())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def lookup(self, key: CallKey) -> AIMessage | None:
        """The response of a call that has ended before, as a new message."""
        with self._lock:
            row = self._db.execute(
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
        usage: Mapping[str, Any] = response.usage_metadata or {}
        tokens_in = plain_count(usage.get("input_tokens")) or 0
        tokens_out = plain_count(usage.get("output_tokens")) or 0
        call = Call(
            key=tag.key,
            record_id=tag.record_id,
            agent=tag.agent,
            model=tag.model or str(response.response_metadata.get("model_name", "")),
            response=response,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            seconds=seconds,
            usd=_usd((prices or {}).get(tag.model), tokens_in, tokens_out),
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seed=tag.seed,
            adaptation=str(response.response_metadata.get("adaptation", "")),
        )
        return call if self._insert(call) else None

    def take_over(self, calls: Iterable[Call]) -> None:
        """Write down calls that another ledger had; those that are there already stay."""
        for call in calls:
            self._insert(call)

    def totals(self) -> Totals:
        """What all calls used, at no cost."""
        return self._totals

    def totals_by_agent(self) -> dict[str, Totals]:
        """What each agent's calls used, by name."""
        with self._lock:
            return dict(sorted(self._by_agent.items()))

    def busy_seconds(self) -> float:
        """How long at least one call was in flight: pauses between two starts do not count."""
        with self._lock:
            rows = self._db.execute("SELECT created_at, seconds FROM calls").fetchall()
        spans = ((datetime.fromisoformat(ended).timestamp(), seconds) for ended, seconds in rows)
        busy, until = 0.0, float("-inf")
        for start, end in sorted((ended - seconds, ended) for ended, seconds in spans):
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return busy

    def calls_of(self, record_id: str) -> list[Call]:
        """The calls that a record took, in the order in which they ended."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {self._columns} FROM calls WHERE record_id = ? ORDER BY number",  # noqa: S608
                (record_id,),
            ).fetchall()
        return [_call(row) for row in rows]

    def totals_of(self, record_id: str) -> Totals:
        """What the calls of a record used."""
        return sum((call.totals() for call in self.calls_of(record_id)), Totals())

    def _insert(self, call: Call) -> bool:
        row = (
            *call.key[:3],
            call.record_id,
            call.agent,
            call.model,
            response_text(call.response),
            call.tokens_in,
            call.tokens_out,
            call.seconds,
            call.usd,
            call.created_at,
            call.key.attempt,
            call.seed,
            call.adaptation,
        )
        marks = ", ".join("?" * len(row))
        with self._lock:
            with self._db:
                added = self._db.execute(
                    f"INSERT OR IGNORE INTO calls ({_COLUMNS}) VALUES ({marks})",  # noqa: S608
                    row,
                ).rowcount
            if added:
                self._totals += call.totals()
                mine = self._by_agent.get(call.agent, Totals())
                self._by_agent[call.agent] = mine + call.totals()
        return bool(added)

    def _present(self) -> set[str]:
        """The columns that the file has; none where it is new."""
        return {name for _, name, *_ in self._db.execute("PRAGMA table_info(calls)")}

    def _load_totals(self) -> dict[str, Totals]:
        rows = self._db.execute(
            f"SELECT agent, COUNT(*), SUM({_sound('tokens_in')}), SUM({_sound('tokens_out')}), "  # noqa: S608
            f"SUM(seconds), TOTAL({_SOUND_USD}), SUM(({_SOUND_USD}) IS NULL) "
            "FROM calls GROUP BY agent"
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


def _usd(price: Price | None, tokens_in: int, tokens_out: int) -> float | None:
    if price is None:
        return None
    return (tokens_in * price.input + tokens_out * price.output) / 1e6
