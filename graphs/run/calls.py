"""One model call: looked up in the ledger first, within the budget, written before it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs

from metasynth.agents.models.answers.cleaning import clean_answer
from metasynth.blocking import brief
from metasynth.errors import EmptyAnswerError, MetaSynthError, RefusedPromptError
from metasynth.memory.ledger import CallKey, CallTag, Ledger
from metasynth.memory.messages import payload_hash
from metasynth.memory.recorder import CallRecorder
from metasynth.randomness import derive_seed

from .budget import Budget
from .emptiness import Emptiness, emptiness_of
from .health import Health

EMPTY_TRIES = 3  # a model that answers nothing three times has a reason for it


class Speaker(Protocol):
    """A chat model under a name."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> Runnable[LanguageModelInput, Any]: ...
    @property
    def takes_seed(self) -> bool: ...
    @property
    def unsent(self) -> frozenset[str]: ...


class Caller:
    """Makes every model call of a run.

    A call is known by chain, step and payload, which is the request without its seed and before
    anything is changed for its endpoint. One that the ledger knows is answered from it: that is how
    a run that was killed goes on without paying twice.

    An answer with nothing in it is a finished call like any other: it is paid for and kept, and the
    model is asked again with another seed.

    Attributes:
        health: What was seen of the models; stops a run that cannot work.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: CallRecorder,
        budget: Budget,
        *,
        random_seed: int,
        health: Health | None = None,
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._budget = budget
        self._random_seed = random_seed
        self.health = health or Health()

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return self._recorder.in_flight

    async def call(
        self,
        speaker: Speaker,
        messages: Sequence[BaseMessage],
        *,
        chain: str,
        step: str,
        agent: str,
        record_id: str,
        settings: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> AIMessage:
        """The model's answer, cleaned (`clean_answer`); the ledger has it as it came.

        Args:
            speaker: Who is asked.
            messages: What it is shown.
            chain: Which chain asks.
            step: The place of this call in the chain's work, the same on every start.
            agent: The conductor's or the expert's name, for the ledger.
            record_id: The record that this call works for.
            settings: Sampling settings where they differ from the model's own.
            tools: The tools that the model may call; it must then call one.

        Raises:
            BudgetEndedError: A limit of the budget is reached, or the run cannot work.
            EmptyAnswerError: The model answered nothing, as often as it was asked
                (`empty_answer`), or spent all that it may write on thinking (`thinking_cut`).
            RefusedPromptError: A filter took the answer away (`answer_filtered`).
            ModelCallError: The model could not answer.
        """
        sampling = {
            name: value
            for name, value in (settings or {}).items()
            if value is not None and name not in speaker.unsent
        }
        payload = payload_hash(messages, model=speaker.name, tools=tools, **sampling)
        empty: list[Emptiness] = []
        for attempt in range(EMPTY_TRIES):
            seed = self._seed(speaker, chain, step, agent, attempt)
            key = CallKey(chain, step, payload, attempt)
            tag = CallTag(key, agent=agent, record_id=record_id, model=speaker.name, seed=seed)
            sent = sampling if seed is None else {**sampling, "seed": seed}
            known = await self._known(tag)
            if known is None and attempt == 0 and self._ledger.has_older_keys:
                older = payload_hash(messages, model=speaker.name, tools=tools, **sent)
                known = await self._known(replace(tag, key=CallKey(chain, step, older)))
            raw = known or await self._ask(speaker, messages, tag, sent, tools)
            reply = clean_answer(raw, tools=tools)
            nothing = emptiness_of(reply, limit=limit_of(speaker, sampling))
            if nothing is None:
                self.health.answered(speaker.name, agent)
                return reply
            empty.append(nothing)
            if nothing.is_final:
                break
        failure = _failure(speaker, agent, record_id, empty)
        if known is None:
            self.health.failed(speaker.name, agent, failure)
        raise failure

    def _seed(
        self, speaker: Speaker, chain: str, step: str, agent: str, attempt: int
    ) -> int | None:
        """Each attempt's own: with the same one, a server would answer nothing for ever."""
        if not speaker.takes_seed:
            return None
        place = (chain, step, agent, attempt) if attempt else (chain, step, agent)
        return derive_seed(self._random_seed, *place) % 2**31

    async def _known(self, tag: CallTag) -> AIMessage | None:
        """What the ledger has of this call."""
        known = await brief(self._ledger.lookup, tag.key)
        if known is not None:
            parent = getattr(ensure_config()["callbacks"], "parent_run_id", None)
            await self._recorder.replayed(tag, known, parent=parent)
        return known

    async def _ask(
        self,
        speaker: Speaker,
        messages: Sequence[BaseMessage],
        tag: CallTag,
        sampling: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> AIMessage:
        self.health.check()
        self._budget.check()
        bound: Runnable[LanguageModelInput, Any] = speaker.model
        if tools is not None:
            bound = speaker.model.bind_tools(list(tools), tool_choice="any")  # type: ignore[attr-defined]
        own = RunnableConfig(
            callbacks=[self._recorder],
            metadata=tag.metadata(),
            run_name=tag.agent,
            tags=[tag.agent],
        )
        # the node's config, under whose callbacks this call belongs
        config = merge_configs(ensure_config(), own)
        reply = await bound.ainvoke(list(messages), config, **sampling)
        if not isinstance(reply, AIMessage):
            raise MetaSynthError(
                f"{speaker.name}: gave {type(reply).__name__}, not a message", code="not_a_message"
            )
        return reply


def limit_of(speaker: Speaker, sampling: Mapping[str, Any]) -> int | None:
    """The most tokens that an answer may have, where anybody has said so."""
    limit = sampling.get("max_tokens") or getattr(speaker.model, "max_tokens", None)
    return limit if isinstance(limit, int) else None


def _failure(
    speaker: Speaker, agent: str, record_id: str, empty: Sequence[Emptiness]
) -> EmptyAnswerError | RefusedPromptError:
    last = empty[-1]
    where = f"{speaker.name}, {agent}" + (f" for record {record_id}" if record_id else "")
    if last.kind == "filtered":
        return RefusedPromptError(
            f"{where}: a filter took the answer away ({last.words})", code="answer_filtered"
        )
    if last.kind == "thinking":
        return EmptyAnswerError(
            f"{where}: no answer, {last.words}",
            hint="raise max_tokens, or turn thinking off (extra_body)",
            code="thinking_cut",
        )
    return EmptyAnswerError(
        f"{where}: {len(empty)} empty answers ({last.words})",
        hint="does the server have this model's chat template?",
        code="empty_answer",
    )
