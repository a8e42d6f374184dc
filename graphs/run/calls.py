"""One model call: looked up in the ledger first, within the budget, written before it is used."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs

from metasynth.agents.models.answers.cleaning import clean_answer
from metasynth.errors import MetaSynthError
from metasynth.memory.ledger import CallKey, CallTag, Ledger
from metasynth.memory.messages import payload_hash
from metasynth.memory.recorder import CallRecorder
from metasynth.randomness import derive_seed

from .budget import Budget


class Speaker(Protocol):
    """A chat model under a name."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> Runnable[LanguageModelInput, Any]: ...
    @property
    def takes_seed(self) -> bool: ...


class Caller:
    """Makes every model call of a run.

    A call is known by chain, step and payload. One that the ledger knows is answered from it: that
    is how a run that was killed goes on without paying twice.
    """

    def __init__(
        self, ledger: Ledger, recorder: CallRecorder, budget: Budget, *, random_seed: int
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._budget = budget
        self._random_seed = random_seed

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
            BudgetEndedError: A limit of the budget is reached.
            ModelCallError: The model could not answer.
        """
        sampling = {name: value for name, value in (settings or {}).items() if value is not None}
        if speaker.takes_seed:
            sampling["seed"] = derive_seed(self._random_seed, chain, step, agent) % 2**31
        payload = payload_hash(messages, model=speaker.name, tools=tools, **sampling)
        key = CallKey(chain, step, payload)
        tag = CallTag(key, agent=agent, record_id=record_id, model=speaker.name)
        around = ensure_config()  # the node's, under whose callbacks this call belongs
        if (known := await asyncio.to_thread(self._ledger.lookup, key)) is not None:
            parent = getattr(around["callbacks"], "parent_run_id", None)
            await self._recorder.replayed(tag, known, parent=parent)
            return clean_answer(known, tools=tools)
        self._budget.check()
        bound: Runnable[LanguageModelInput, Any] = speaker.model
        if tools is not None:
            bound = speaker.model.bind_tools(list(tools), tool_choice="any")  # type: ignore[attr-defined]
        own = RunnableConfig(
            callbacks=[self._recorder], metadata=tag.metadata(), run_name=agent, tags=[agent]
        )
        config = merge_configs(around, own)
        reply = await bound.ainvoke(list(messages), config, **sampling)
        if not isinstance(reply, AIMessage):
            raise MetaSynthError(f"{speaker.name}: gave {type(reply).__name__}, not a message")
        return clean_answer(reply, tools=tools)
