"""What is known of the requests that one endpoint's model takes, shared by all calls to it."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from metasynth.errors import MetaSynthError
from metasynth.records.rundir import write_atomically

from .change import Change, Json
from .reading import changes_for
from .refusal import refusal_of

MOST_CHANGES = 8
"""Refusals that one call answers; more of them, and the endpoint is not for us."""
_FIRST_ANSWER_S = 2.0  # a refusal comes at once, before the model has written a word
_UNSHAPED = frozenset({"messages", "seed"})  # whose values differ from call to call
_log = logging.getLogger("metasynth.endpoints")


class Adaptation:
    """The changes to requests for one endpoint and model; safe for threads and event loops.

    Args:
        name: Of the model and its endpoint, for people.
        changes: What is known from earlier.
        learned: Called with the new changes, before a request is sent again; with none where
            some were given up.

    Attributes:
        changes: What is done to every request.
        words: What the server said, for the changes that it has taught in this process.
    """

    def __init__(
        self,
        name: str = "",
        changes: Sequence[Change] = (),
        learned: Callable[[Sequence[Change]], object] = lambda _: None,
    ) -> None:
        self.name = name
        self.changes = tuple(changes)
        self.words: dict[Change, str] = {}
        self._learned = learned
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self._asking: dict[str, asyncio.Future[None]] = {}

    def adapted(self, request: Json) -> tuple[Json, str]:
        """The request as this endpoint takes it, and in words what was changed; "" for nothing."""
        effects = []
        for change in self.changes:
            if (changed := change.apply(request)) is not request:
                effects.append(str(change))
                request = changed
        return request, "; ".join(effects)

    def learn(
        self, error: Exception, sent: Json, known: Sequence[Change]
    ) -> Sequence[Change] | None:
        """The new changes that a refusal teaches; None where the same request is all there is.

        Args:
            error: The refusal.
            sent: The request as it was sent.
            known: The changes at that time; others may have been learned by another call since.
        """
        refusal = refusal_of(error)
        if refusal is None:
            return None
        with self._lock:
            since = tuple(change for change in self.changes if change not in known)
            if any(change.apply(sent) is not sent for change in since):
                return ()
            new = [
                change
                for change in changes_for(refusal, sent, self.changes)
                if change not in self.changes and change.apply(sent) is not sent
            ]
            if new:
                self.changes = (*self.changes, *new)
                self.words |= dict.fromkeys(new, refusal.text)
                self._learned(new)
        return new or None

    def forget(self, changes: Sequence[Change]) -> None:
        """Give changes up that did not lead to an answer."""
        with self._lock:
            self.changes = tuple(change for change in self.changes if change not in changes)
            if changes:
                self._learned(())

    @asynccontextmanager
    async def turn(self, request_now: Callable[[], Json]) -> AsyncIterator[None]:
        """The first request of a kind goes alone, so that a refusal meets one call and not all.

        Others wait until it is answered or refused, but not long.

        Args:
            request_now: The request as it would go out at this moment.
        """
        while (kind := _kind(request_now())) not in self._answered:
            asking, loop = self._asking.get(kind), asyncio.get_running_loop()
            if asking is None or asking.done() or asking.get_loop() is not loop:
                self._asking[kind] = mine = loop.create_future()
                try:
                    yield
                    self._answered.add(kind)
                finally:
                    self._asking.pop(kind, None)
                    mine.cancel()
                return
            done, _ = await asyncio.wait({asking}, timeout=_FIRST_ANSWER_S)
            if not done:
                break
        yield


def _kind(request: Json) -> str:
    """What an endpoint may refuse of a request: its fields, their values, its roles and tools."""
    shape = {name: value for name, value in request.items() if name not in _UNSHAPED}
    tools = shape.pop("tools", None) or ()
    shape["tools"] = [tool.get("function", {}).get("name") for tool in tools]
    shape["roles"] = sorted({message["role"] for message in request["messages"]})
    shape["fields"] = sorted({key for message in request["messages"] for key in message})
    shape["seed"] = "seed" in request
    return json.dumps(shape, sort_keys=True, default=str)


@runtime_checkable
class Adaptable(Protocol):
    """A chat model that adapts its requests."""

    def adapt_with(self, adaptations: "Adaptations") -> None:
        """Share what is known with all models of the run."""


class Adaptations:
    """What a run knows of all its endpoints, kept in a file of its directory.

    Args:
        path: The file; None keeps nothing.
        tell: Gets a line for each change that is learned.

    Raises:
        MetaSynthError: The file cannot be read (code `damaged_file`).
    """

    def __init__(
        self, path: Path | None = None, tell: Callable[[str], object] | None = None
    ) -> None:
        self.tell = tell or _log.warning
        self._path = path
        self._of: dict[str, Adaptation] = {}
        self._told: set[tuple[str, Change]] = set()
        for name, changes in _read(path).items():
            self._of[name] = self._new(name, changes)

    def of(self, model: str, url: str) -> Adaptation:
        """What is known of a model at an address."""
        name = f"{model} at {url}"
        if name not in self._of:
            self._of[name] = self._new(name, ())
        return self._of[name]

    def words(self) -> dict[Change, str]:
        """All changes to any requests, with the refusals that taught them in this process."""
        return {
            change: adaptation.words.get(change, "")
            for adaptation in self._of.values()
            for change in adaptation.changes
        }

    def _new(self, name: str, changes: Sequence[Change]) -> Adaptation:
        return Adaptation(name, changes, lambda new: self._keep(name, new))

    def _keep(self, name: str, new: Sequence[Change]) -> None:
        if self._path is not None:
            known = {
                name: [change.as_json() for change in adaptation.changes]
                for name, adaptation in self._of.items()
                if adaptation.changes
            }
            write_atomically(self._path, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
        for change in new:
            if (name, change) not in self._told:
                self._told.add((name, change))
                self.tell(f"{name} refused a request: from now on {change}")


def _read(path: Path | None) -> dict[str, list[Change]]:
    if path is None or not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): [Change.from_json(item) for item in changes]
            for name, changes in known.items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise MetaSynthError(
            f"{path}: cannot be read ({error})",
            hint="remove it: what endpoints refuse is then learned anew",
            code="damaged_file",
        ) from None
