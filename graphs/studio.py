"""The graphs as LangGraph Studio serves them. An entry point: nothing imports it.

Each graph is compiled without a checkpointer, because the server brings its own. The workspace is
made at the first run with a given context and kept for later runs with the same one; it lies in a
run directory under `runs/studio`.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from metasynth.compose.chat_models import make_voices
from metasynth.compose.plan import RunPlan, checker_names, plan_run, roles_of
from metasynth.compose.prices import is_own_host
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.config.run import ROLES, RunConfig
from metasynth.domains.checkers import checker_file
from metasynth.errors import RequestError
from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.baselines.template import template_graph
from metasynth.graphs.corpus import RECORD_GRAPHS, corpus_graph
from metasynth.graphs.document.graph import document_graph
from metasynth.graphs.instruct.graph import instruct_graph
from metasynth.graphs.run.budget import NoQuota
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.tail.best_of_batch import open_quota
from metasynth.graphs.workspace import RunContext, Workspace

_ROOT = Path(__file__).resolve().parent.parent
_KEY = "METASYNTH_STUDIO_KEY"  # the one variable whose key a form's own address is sent
_TRUST = "METASYNTH_STUDIO_TRUST"
_NO_LIMIT = 1_000_000_000  # of steps: rounds and budget bound a run
_DEMOS = {
    "instruct": "instruct-demo.yaml",
    "softsrv": "softsrv-demo.yaml",
    "active": "active-demo.yaml",
}
_GRAPH_OF = {
    "template": "template",
    "instruct": "instruct",
    "softsrv": "softsrv",
    "active": "active",
}  # the others write documents


class _Workspaces:
    """The workspaces of this server, one for each context; those of one run share what is open."""

    def __init__(self, graph: str) -> None:
        self._graph = graph
        self._open: dict[str, Workspace] = {}
        self._runs: dict[Path, Workspace] = {}
        self._stack = AsyncExitStack()
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, context: RunContext | None) -> Workspace:
        chosen = context or RunContext()
        async with self._one_at_a_time:
            key = chosen.model_dump_json()
            if key not in self._open:
                self._open[key] = await self._make(chosen)
            return self._open[key]

    async def _make(self, context: RunContext) -> Workspace:
        config = await asyncio.to_thread(config_of, context, self._graph)
        plan = await asyncio.to_thread(plan_run, config)
        folder = await asyncio.to_thread(self._folder_of, plan)
        if folder in self._runs:  # another address or budget, or the review: its folder is held
            voices = await asyncio.to_thread(make_voices, config, roles_of(config, plan.roles))
            return self._used(replace(self._runs[folder], voices=voices), config)
        workspace = await self._stack.enter_async_context(open_run(plan, folder))
        self._runs[folder] = workspace
        return self._used(workspace, config)

    def _folder_of(self, plan: RunPlan) -> Path:
        """The run directory; it reads models' folders, whose contents are part of the identity."""
        return _ROOT / "runs" / "studio" / f"{self._graph}-{plan.identity}"

    def _used(self, workspace: Workspace, config: RunConfig) -> Workspace:
        """The run as this graph uses it: what writes one record counts none."""
        screen = workspace.screen
        if self._graph in RECORD_GRAPHS:
            alone = NoQuota(batch=screen.batch, keep=screen.keep)
            return replace(workspace, config=config, checkpointer=None, quota=alone)
        saver = workspace.checkpointer if self._graph == "corpus" else None
        quota = open_quota(config, workspace.corpus, screen)
        return replace(workspace, config=config, checkpointer=saver, quota=quota)


def config_of(context: RunContext, graph: str) -> RunConfig:
    """The demo's run file, or the one that is named, with what the form says.

    Raises:
        RequestError: A run file loads code or sends keys (code `not_from_a_form`), or it cannot be
            run from Studio.
    """
    demo = _ROOT / "examples" / _DEMOS.get(graph, "demo.yaml")
    path = Path(context.run_file) if context.run_file else demo
    changes = [f"graph={_GRAPH_OF.get(graph, 'document')}"]
    if context.review:
        changes.append("review=true")
    if not context.run_file:
        changes += [
            f"domain.name={_quoted(context.domain)}",
            f"teacher.model={_quoted(context.teacher)}",
            f"budget.records={context.records}",
        ]
        if context.teacher != "embedded":
            changes.append("checker=null")
            if graph != "active":
                changes.append("active=null")  # the demo's student knows the demo's domain alone
        if context.base_url:
            changes += [
                f"teacher.base_url={_quoted(context.base_url)}",
                f"teacher.api_key_env={_KEY}",  # an address of a form gets no other key
            ]
        if context.roles:
            changes.append(f"roles={_quoted(ROLES.resolve(context.roles, Path.cwd()))}")
    config = load_run_config(path, changes)
    if context.run_file and os.environ.get(_TRUST) != "1":
        _check_run_file(config)
    conducts = config.active is not None and config.active.generate == "conductor"
    if config.review.ask and config.graph == "active" and conducts:
        raise RequestError(
            "review: rounds in which a conductor writes ask nobody in Studio",
            hint="use metasynth run --review",
            code="no_reviewer",
        )
    return config


def _check_run_file(config: RunConfig) -> None:
    """Refuse a run file that loads code or sends keys elsewhere: a form is no shell.

    Raises:
        RequestError: It does (code `not_from_a_form`).
    """
    code = [f"checker {name}" for name in checker_names(config) if checker_file(name)]
    code += [f"plugins {folder}" for folder in config.plugins]
    for key, value in _leaves(config.model_dump(mode="json")):
        if key.endswith("trust_remote_code") and value:
            code.append(key)
        elif key.endswith("base_url") and value and not is_own_host(str(value)):
            code.append(f"{key} {value}")
    if code:
        raise RequestError(
            f"run_file: a form starts no run that loads code or sends keys: {', '.join(code)}",
            hint=f"use metasynth run, or start the server with {_TRUST}=1",
            code="not_from_a_form",
        )


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """All values in sections, with their keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _quoted(text: str) -> str:
    """A text as YAML reads it back, whatever quotes are in it."""
    return json.dumps(text, ensure_ascii=False)


document = document_graph(_Workspaces("document")).compile(name="document")
active = (
    active_graph(_Workspaces("active"))
    .compile(name="active")
    .with_config(recursion_limit=_NO_LIMIT)
)
corpus = corpus_graph(_Workspaces("corpus")).compile(name="corpus")
instruct = instruct_graph(_Workspaces("instruct")).compile(name="instruct")
softsrv = softsrv_graph(_Workspaces("softsrv")).compile(name="softsrv")
template = template_graph(_Workspaces("template")).compile(name="template")
