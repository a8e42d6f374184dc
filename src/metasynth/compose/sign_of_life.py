"""What `run` and `preview` make sure of before they begin: each model is there and may be asked.

An endpoint that lists the model to whom has its key has said enough, at no cost. Where it says
less, one small call of the model tells; the run's ledger counts it.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from langchain_core.messages import HumanMessage

from metasynth.config.model import ModelConfig
from metasynth.config.run import BudgetConfig, RunConfig
from metasynth.errors import MetaSynthError, ModelCallError
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.voices import Voice
from metasynth.memory.ledger import Call, Ledger
from metasynth.memory.recorder import CallRecorder
from metasynth.records.rundir import RunDirectory

from .asked_models import AskedModel, asked_models
from .chat_models import voice_of
from .plan import RunPlan
from .prices import is_own_host, prices_of

if TYPE_CHECKING:
    from metasynth.agents.models.openai.chat import OpenAIChat

NO_ANSWER_EVER = frozenset(
    {"unreachable", "wrong_key", "forbidden", "no_quota", "unknown_model", "not_found"}
    | {"no_api", "redirected"}
)
"""Errors that the next call would end with too; what may pass is left to the run."""
_IN_THIS_PROCESS = ("embedded", "local")
_TRIES = 2


async def check_models(plan: RunPlan, directory: Path) -> Sequence[Call]:
    """The calls that it took to see that the run's models are there; mostly none.

    Nothing is asked where the run file says `check_models: false`, where the run goes on (a ledger
    with answers has seen the models), and of models in this process.

    Raises:
        ModelCallError: A model cannot be asked; the code is one of `NO_ANSWER_EVER`.
        RequestError: There is no key or no such provider.
    """
    config = plan.config
    hosted = {  # whatever the settings of its parts
        (model.settings.model, model.settings.base_url, model.settings.api_key_env): model
        for model in reversed(asked_models(plan))
        if is_hosted(model.settings)
    }.values()
    if not (config.check_models and hosted) or await asyncio.to_thread(_goes_on, directory):
        return ()
    stack = ExitStack()
    try:  # files are made and removed in threads: a server's loop must not stand still
        ledger = await asyncio.to_thread(_ledger_for_now, stack)
        recorder = CallRecorder(ledger, prices=prices_of(config))
        caller = Caller(
            ledger,
            recorder,
            Budget(BudgetConfig(), ledger.totals),
            random_seed=config.random_seed,
        )
        checks = (_check(model, config, caller) for model in hosted)
        for outcome in await asyncio.gather(*checks, return_exceptions=True):
            if outcome is not None:
                raise outcome
        return await asyncio.to_thread(ledger.calls_of, "")
    finally:
        await asyncio.to_thread(stack.close)


def _ledger_for_now(stack: ExitStack) -> Ledger:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="metasynth-check-"))
    return stack.enter_context(Ledger(Path(folder) / "ledger.sqlite"))


def is_hosted(settings: ModelConfig) -> bool:
    """Whether a model is asked over a network, as far as this program knows its provider."""
    return settings.model.partition(":")[0] not in _IN_THIS_PROCESS


def patient(settings: ModelConfig) -> ModelConfig:
    """The settings with few tries, for those who wait at the terminal."""
    return settings.model_copy(update={"max_tries": min(_TRIES, settings.max_tries)})


async def listed_models(chat: "OpenAIChat") -> list[dict[str, object]]:
    """What an endpoint says of its models, an object each; empty where it lists none.

    Raises:
        ModelCallError: It cannot be reached, or lists nothing.
    """
    page = await chat.fetched("/models")
    entries = page.get("data") if isinstance(page, dict) else page
    return [each for each in entries or () if isinstance(each, dict)]


def _goes_on(directory: Path) -> bool:
    path = RunDirectory(directory).ledger
    if not path.exists():
        return False
    try:
        with Ledger(path, read_only=True) as ledger:
            return ledger.totals().calls > 0
    except MetaSynthError:
        return True  # whoever opens the run says what is wrong with it


async def _check(model: AskedModel, config: RunConfig, caller: Caller) -> None:
    from metasynth.agents.models.openai.chat import OpenAIChat
    from metasynth.agents.models.served.chat import ServedChat

    voice = await asyncio.to_thread(voice_of, patient(model.settings), config)
    chat = voice.model
    if isinstance(chat, OpenAIChat):
        if await _is_listed(chat):
            return
    elif not isinstance(chat, ServedChat):
        return  # a provider of the user's
    try:
        await _ask(voice, model, caller)
    except ModelCallError as error:
        if error.code in NO_ANSWER_EVER:
            raise


async def _is_listed(chat: "OpenAIChat") -> bool:
    """Whether the endpoint says that it has the model for this key.

    Raises:
        ModelCallError: It cannot be reached (code `unreachable`).
    """
    try:
        names = {str(entry.get("id")) for entry in await listed_models(chat)}
        if chat.model_name not in names:
            await chat.fetched(f"/models/{quote(chat.model_name, safe='')}")
    except ModelCallError as error:
        if error.code == "unreachable":
            raise
        return False
    if not chat.has_key and is_own_host(chat.openai_api_base or ""):
        return True
    try:  # a list that anybody may read proves no key
        await chat.fetched("/models", with_key=False)
    except ModelCallError as error:
        return error.code in ("wrong_key", "forbidden")
    return False


async def _ask(voice: Voice, model: AskedModel, caller: Caller) -> None:
    await caller.call(
        voice,
        [HumanMessage("Answer with the word yes.")],
        chain="check",
        step="/".join(model.parts),
        agent="check",
        record_id="",
    )
