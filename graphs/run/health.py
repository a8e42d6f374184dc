"""Whether a run can work at all: what was seen of its models in this start.

A run that cannot work would spend its whole budget on nothing. One object of the run counts
answers by kind and stops the run where the counts leave no hope: the conductor's model calls no
tools, or there is nothing in any answer, since thinking takes all that a model may write. What was
counted is forgotten with the process, so that the same command has its chance again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from langchain_core.messages import AIMessage

from metasynth.agents.messages import one_line
from metasynth.errors import PromptError, RunStoppedError

from .emptiness import finish_reason_of

HOPELESS = 3
"""Calls in vain that stop a run where none like them has ever brought anything,"""
GONE = 10
"""and in a row where some have."""
_LAST_WORDS = 40


class Health:
    """Counts what models answer, and stops a run that cannot work.

    It stops once: from then on `check` raises for every chain before its next call. Calls in flight
    still end and are kept.

    Args:
        accepted: How many records the corpus has.

    Attributes:
        stopped: Why it has stopped the run; None where it has not.
    """

    def __init__(self, accepted: Callable[[], int] = lambda: 0) -> None:
        self._accepted = accepted
        self._accepted_before = accepted()
        self.stopped: RunStoppedError | None = None
        self._answering: set[tuple[str, str]] = set()
        self._failed: Counter[tuple[str, str]] = Counter()
        self._talked: Counter[str] = Counter()
        self._calling: set[str] = set()
        self._trials: dict[str, asyncio.Lock] = {}

    def check(self) -> None:
        """Let a call pass.

        Raises:
            RunStoppedError: The run cannot work.
        """
        if self.stopped is not None:
            raise self.stopped

    def answered(self, speaker: str, agent: str) -> None:
        """Note that a model, asked as `agent`, gave an answer with something in it."""
        self._answering.add((speaker, agent))
        self._failed[speaker, agent] = 0

    def failed(self, speaker: str, agent: str, error: PromptError) -> None:
        """Note a call that was answered with nothing, however often it was made.

        Args:
            speaker: The model's name.
            agent: As whom it was asked; each has limits of its own.
            error: What is said of the call.

        Raises:
            RunStoppedError: No such call has brought anything so far, or for long.
        """
        whom = (speaker, agent)
        self._failed[whom] += 1
        works = whom in self._answering or self._accepted() > self._accepted_before
        if self._failed[whom] >= (GONE if works else HOPELESS):
            count = f"{self._failed[whom]} calls and no answer; the last"
            self._stop(error.code, f"{count}: {error.message}", hint=error.hint)

    @asynccontextmanager
    async def trial(self, speaker: str) -> AsyncIterator[None]:
        """A conductor's turn: one at a time until its model has called a tool.

        So a model that calls none costs a few calls, however many chains there are.
        """
        if not self.calls_tools(speaker):
            async with self._trials.setdefault(speaker, asyncio.Lock()):
                if not self.calls_tools(speaker):
                    self.check()
                    yield
                    return
        yield

    def calls_tools(self, speaker: str) -> bool:
        """Whether the model has called a tool in this start."""
        return speaker in self._calling

    def took_turn(self, speaker: str, reply: AIMessage, *, limit: int | None = None) -> None:
        """Note a conductor's turn.

        Args:
            speaker: The model's name; another name for each way in which it is offered tools.
            reply: Its answer, with the calls that could be read.
            limit: The most tokens that it may have, where that is known.

        Raises:
            RunStoppedError: It has only talked so far.
        """
        if reply.tool_calls or reply.invalid_tool_calls:
            self._calling.add(speaker)
            return
        self._talked[speaker] += 1
        if speaker in self._calling or self._talked[speaker] < HOPELESS:
            return
        reason = finish_reason_of(reply) or "not given"
        bound = f"max_tokens {limit}" if limit else "no max_tokens"
        self._stop(
            "no_tool_calls",
            f"{speaker} calls no tools, {self._talked[speaker]} turns brought talk alone; "
            f"its last words: “{one_line(str(reply.text), most_words=_LAST_WORDS)}” "
            f"(finish_reason {reason}, {bound})",
            hint="set conductor.tools: schema, or conductor.policy: fixed, or take another model; "
            "llama.cpp and vLLM need a flag to read calls (--jinja, --enable-auto-tool-choice)",
        )

    def _stop(self, code: str, message: str, *, hint: str | None) -> None:
        if self.stopped is None:
            self.stopped = RunStoppedError(f"{code}: {message}", hint=hint, code=code)
        raise self.stopped
