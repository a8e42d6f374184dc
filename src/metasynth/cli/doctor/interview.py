"""One model, asked through the run's own caller."""

import asyncio
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jsonschema
from langchain_core.messages import AIMessage, BaseMessage

from metasynth.agents.conductor.schema_calls import call_format, plain_messages, read_call
from metasynth.agents.messages import one_line
from metasynth.agents.models.adaptation.adaptation import Adaptable, Adaptations
from metasynth.agents.models.answers.forms import bare_json
from metasynth.agents.models.errors import public_url
from metasynth.agents.models.openai.chat import OpenAIChat
from metasynth.agents.models.served.chat import ServedChat
from metasynth.agents.roles.role import Role
from metasynth.compose.asked_models import AskedModel
from metasynth.compose.chat_models import voice_of
from metasynth.compose.sign_of_life import patient
from metasynth.config.run import RunConfig
from metasynth.errors import BudgetEndedError, MetaSynthError, ModelCallError
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.voices import Voice
from metasynth.memory.ledger import Ledger, Totals
from metasynth.redaction import Redactor

from . import questions
from .server import ServerFacts, server_facts

_SEEDS = (7, 7, 8)


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        reply: Cleaned; None where nothing came.
        raw: As the model gave it.
        error: Why nothing came.
        limit: The most tokens that it might have.
    """

    reply: AIMessage | None = None
    raw: AIMessage | None = None
    error: MetaSynthError | None = None
    limit: int | None = None

    @property
    def failure(self) -> MetaSynthError | None:
        """Why the model gave nothing; None too where it was not asked, for want of budget."""
        return None if isinstance(self.error, BudgetEndedError) else self.error

    @property
    def text(self) -> str:
        """Its words."""
        return str(self.reply.text).strip() if self.reply is not None else ""

    @property
    def calls(self) -> int:
        """How many tools it calls."""
        return len(self.reply.tool_calls) if self.reply is not None else 0

    @property
    def shown(self) -> str:
        """Its words or its error on one line, for a finding."""
        if self.error is not None:
            return self.error.message
        return f"answered “{one_line(self.text, most_words=12)}”"


NOT_ASKED = Answer()


@dataclass
class Answers:
    """All that was asked of one model.

    Attributes:
        voice: None where there is no such model.
        error: Why it cannot be asked at all.
        tightest: The role with the lowest limit of tokens.
        adapted: What was changed in requests, with the words of the refusals.
    """

    voice: Voice | None = None
    error: MetaSynthError | None = None
    address: str = ""
    server: ServerFacts = field(default_factory=ServerFacts)
    tools: Answer = NOT_ASKED
    required: Answer = NOT_ASKED
    plain: Answer = NOT_ASKED
    again: Answer = NOT_ASKED
    other_seed: Answer = NOT_ASKED
    schema: Answer = NOT_ASKED
    limits: Answer = NOT_ASKED
    schema_call: Answer = NOT_ASKED
    tightest: Role | None = None
    adapted: Mapping[str, str] = field(default_factory=dict)
    used: Totals = field(default_factory=Totals)


class Interview:
    """Asks one model.

    Args:
        asked: Which, and as whom.
        config: The run file.
        roles: Those that the run may ask.
        caller: The run's way to a model, with a ledger and a budget.
        ledger: The same.
    """

    def __init__(
        self,
        asked: AskedModel,
        config: RunConfig,
        roles: Sequence[Role],
        caller: Caller,
        ledger: Ledger,
    ) -> None:
        self._asked = asked
        self._config = config
        self._roles = roles
        self._caller = caller
        self._ledger = ledger
        self._adaptations = Adaptations(tell=lambda _: None)
        self._redactor = Redactor(os.environ, config.model_dump(mode="json"))
        name = "/".join(asked.parts)
        self._records = (f"{name}/{number}" for number in itertools.count(1))
        self._used = Totals()

    async def answers(self) -> Answers:
        """All that there is to know; what a model refuses is an answer too.

        Raises:
            Exception: A defect of ours.
        """
        try:
            settings = patient(self._asked.settings)
            voice = await asyncio.to_thread(voice_of, settings, self._config)
        except MetaSynthError as error:
            return Answers(error=error)
        chat = voice.model
        if isinstance(chat, Adaptable):
            chat.adapt_with(self._adaptations)
        heard = Answers(voice=voice, address=_address(chat))
        if isinstance(chat, OpenAIChat):
            heard.server = await server_facts(chat)
        tools = questions.run_tools(self._config)
        heard.tools = await self._ask(voice, questions.two_calls(), tools=tools)
        heard.plain = await self._invention(voice, _SEEDS[0])
        if heard.plain.reply is None and heard.tools.reply is None:
            heard.error = heard.plain.error
        else:
            await self._further(voice, heard, tools)
        heard.adapted = {
            str(change): self._redactor.text(one_line(words, most_words=40))
            for change, words in self._adaptations.words().items()
        }
        heard.used = self._used
        return heard

    async def _further(
        self, voice: Voice, heard: Answers, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        """The questions to a model that answers."""
        wait = [self._schema(voice, heard), self._limits(voice, heard)]
        if heard.tools.calls:
            wait.append(self._required(voice, heard, tools))
        if voice.takes_seed and heard.plain.reply is not None:
            wait.append(self._seeds(voice, heard))
        await asyncio.gather(*wait)
        by_schema = self._config.conductor.tools == "schema"
        if self._asked.conducts and (by_schema or not heard.tools.calls):
            answer = await self._ask(
                voice,
                plain_messages(questions.two_calls(), tools),
                settings={"response_format": call_format(tools)},
            )
            if answer.reply is not None:
                answer = replace(answer, reply=read_call(answer.reply, tools))
            heard.schema_call = answer

    async def _schema(self, voice: Voice, heard: Answers) -> None:
        heard.schema = await self._ask(
            voice,
            questions.nothing_of_json(),
            settings={"response_format": questions.RESPONSE_FORMAT},
        )

    async def _required(
        self, voice: Voice, heard: Answers, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        heard.required = await self._ask(voice, questions.no_call(), tools=tools)

    async def _seeds(self, voice: Voice, heard: Answers) -> None:
        heard.again, heard.other_seed = await asyncio.gather(
            *(self._invention(voice, seed) for seed in _SEEDS[1:])
        )

    async def _limits(self, voice: Voice, heard: Answers) -> None:
        """The question of the role with the lowest limit, as the run asks it."""
        mine = [
            role
            for role in self._roles
            if role.max_tokens is not None
            and (role.name in self._asked.parts if role.model else "experts" in self._asked.parts)
        ]
        if not mine or "max_tokens" in voice.unsent:
            return
        heard.tightest = min(mine, key=lambda role: role.max_tokens or 0)
        messages, settings = questions.as_expert(heard.tightest, self._config)
        heard.limits = await self._ask(voice, messages, settings=settings)

    async def _invention(self, voice: Voice, seed: int) -> Answer:
        """The same question with a seed of its own, or without one where none is sent."""
        settings: dict[str, Any] = {"seed": seed} if voice.takes_seed else {}
        own = self._asked.settings
        settings["temperature"] = 1.0 if own.temperature is None else own.temperature
        return await self._ask(
            voice._replace(takes_seed=False), questions.invention(), settings=settings
        )

    async def _ask(
        self,
        voice: Voice,
        messages: Sequence[BaseMessage],
        *,
        settings: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> Answer:
        """One question; each has a place of its own in the ledger."""
        record = next(self._records)
        reply, failure = None, None
        try:
            reply = await self._caller.call(
                voice,
                messages,
                chain="doctor",
                step=record,
                agent=record,
                record_id=record,
                settings=settings,
                tools=tools,
            )
        except (ModelCallError, BudgetEndedError) as error:
            failure = self._redactor.error(error)
        calls = await asyncio.to_thread(self._ledger.calls_of, record)
        self._used += sum((call.totals() for call in calls), Totals())
        raw = calls[-1].response if calls else None
        limit = (settings or {}).get("max_tokens") or self._asked.settings.max_tokens
        return Answer(reply, raw, failure, limit)


def fits_schema(answer: Answer) -> bool:
    """Whether an answer is what `RESPONSE_FORMAT` asks for."""
    try:
        jsonschema.validate(json.loads(bare_json(answer.text)), questions.SCHEMA)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def _address(chat: object) -> str:
    """Where a model is asked, for people; "" for one in this process."""
    if isinstance(chat, OpenAIChat):
        return public_url(chat.openai_api_base or "")
    return public_url(chat.address) if isinstance(chat, ServedChat) else ""
