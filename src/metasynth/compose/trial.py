"""One expert asked alone, as a run would ask it, with nothing kept."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from langchain_core.messages import BaseMessage

from metasynth.agents.expert import expert_settings
from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig
from metasynth.graphs.document.consultation import read_reply
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.memory.ledger import Ledger, Totals
from metasynth.memory.recorder import CallRecorder

from .chat_models import expert_voice
from .prices import prices_of


class Tried(NamedTuple):
    """What an expert answered, what a run would say against it, who answered and what it took."""

    text: str
    problem: str
    model: str
    used: Totals


async def try_expert(config: RunConfig, role: Role, messages: Sequence[BaseMessage]) -> Tried:
    """Ask an expert once, with the run file's model, settings, seed and prices.

    The ledger lies in a folder that is removed again.

    Args:
        config: The run file.
        role: The expert.
        messages: What it is shown.

    Raises:
        ModelCallError: The model could not answer.
    """
    voice = await asyncio.to_thread(expert_voice, config, role)
    with (
        tempfile.TemporaryDirectory(prefix="metasynth-try-") as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
    ):
        recorder = CallRecorder(ledger, prices=prices_of(config))
        budget = Budget(config.budget, ledger.totals)
        caller = Caller(ledger, recorder, budget, random_seed=config.random_seed)
        reply = await caller.call(
            voice,
            messages,
            chain="try",
            step="1",
            agent=role.name,
            record_id="",
            settings=expert_settings(role, config),
        )
        used = ledger.totals()
    _, problem = read_reply(role, role.name, reply, about="")
    return Tried(str(reply.text), problem, voice.name, used)
