"""What LangGraph's server loads to serve the threads of one run; `metasynth studio` starts it.

An entry point: nothing imports it. Looking at threads opens their file alone, beside a run that may
be going on. The run itself is opened when a step of it is to be carried out: a person's answer, or
a fork. What comes of a fork never enters the corpus, for its record has ended already.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from metasynth.config.run import RunConfig
from metasynth.graphs.corpus import RECORD_GRAPHS
from metasynth.graphs.run.budget import NoQuota
from metasynth.graphs.workspace import RunContext, Workspace
from metasynth.records.rundir import RunDirectory
from metasynth.yaml_text import read_yaml

from .plan import plan_run, record_graph_name
from .run import open_run
from .threads import open_checkpoints

_DIRECTORY = RunDirectory(Path(os.environ["METASYNTH_STUDIO_RUN"]))


class _Run:
    """The run, opened at the first step."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._workspace: Workspace | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, _context: RunContext | None) -> Workspace:
        async with self._one_at_a_time:
            if self._workspace is None:
                plan = await asyncio.to_thread(plan_run, self._config)
                opened = open_run(plan, _DIRECTORY.root)
                workspace = await self._stack.enter_async_context(opened)
                screen = workspace.screen
                alone = NoQuota(batch=screen.batch, keep=screen.keep)
                self._workspace = replace(workspace, quota=alone)
            return self._workspace


@asynccontextmanager
async def checkpointer() -> AsyncIterator[AsyncSqliteSaver]:
    """The run's own checkpoints."""
    async with open_checkpoints(_DIRECTORY.checkpoints) as connection:
        yield AsyncSqliteSaver(connection)


def _config() -> RunConfig:
    resolved = read_yaml(_DIRECTORY.run_file)
    config = resolved["config"]
    for part, model in resolved.get("models", {}).items():
        config[part] |= model
    return RunConfig.model_validate(config)


_CONFIG = _config()
_NAME = record_graph_name(_CONFIG)
record = RECORD_GRAPHS[_NAME](_Run(_CONFIG)).compile(name=_NAME)
