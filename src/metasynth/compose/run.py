"""A run opened for work: everything connected, and closed again whatever happens."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from metasynth import __version__
from metasynth.agents import RoleBook, load_roles, prompt_version
from metasynth.config import RunConfig
from metasynth.errors import ConfigError
from metasynth.graphs import (
    Admission,
    Budget,
    Caller,
    Checker,
    Gate,
    SeedPicker,
    Workspace,
    expert_label,
)
from metasynth.memory import ChromaStore, Corpus, Ledger, RecordMemory
from metasynth.rundir import RunDirectory
from metasynth.seeds import Seed, load_seeds

from .voices import make_voices


class RunPlan:
    """What is known of a run before anything is started: checked, and without side effects."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.roles: RoleBook = load_roles(config.roles)
        self.checker: Checker | None = _checker(config.checker)
        self.seeds: list[Seed] = load_seeds(config.seeds, random_seed=config.random_seed)
        self.prompt_version = f"{prompt_version()}-{self.roles.version()}"

    @property
    def identity(self) -> str:
        """The identity of the configuration: what shapes its records."""
        return self.config.identity()


def plan_run(config: RunConfig) -> RunPlan:
    """Check all that can be checked before a run starts.

    Raises:
        ConfigError: A role, a seed source or the checker is wrong.
    """
    return RunPlan(config)


def _checker(name: str | None) -> Checker | None:
    if name is None:
        return None
    from metasynth.domains import DOMAINS, get_domain

    if name not in DOMAINS:
        raise ConfigError(f"checker: no checker {name!r}; there are {', '.join(DOMAINS)}")
    return get_domain(name)


@asynccontextmanager
async def open_run(plan: RunPlan, out: Path) -> AsyncIterator[Workspace]:
    """The workspace of a run in the directory `out`, new or gone on with.

    Raises:
        RequestError: The directory cannot be used for this run.
        MetaSynthError: What lies in the directory is damaged.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(
            RunDirectory(out).open(_resolved(plan), identity=plan.identity)
        )
        workspace = await _connect(plan, directory, stack)
        workspace.gate.learn(workspace.corpus.records())
        for record in (*workspace.corpus.records(), *workspace.corpus.rejected_records()):
            chain = record.id.split("-")[1]
            for seed_id in record.seed_ids:
                workspace.seeds.remember(chain, seed_id)
        yield workspace


async def _connect(plan: RunPlan, directory: RunDirectory, stack: AsyncExitStack) -> Workspace:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.store.base import IndexConfig

    from metasynth.embed import load_embedder

    config = plan.config
    embedder = load_embedder(config.memory.embedder, cache=directory.vectors)
    stack.callback(embedder.close)
    index = IndexConfig(dims=embedder.dims, embed=embedder, fields=["text"])
    place = config.memory.url or directory.memory
    store = ChromaStore.open(place, index=index, name=f"run-{plan.identity}")
    stack.callback(store.close)
    ledger = Ledger(directory.ledger)
    stack.callback(ledger.close)
    corpus = Corpus(directory.root)
    stack.callback(corpus.close)
    memory = RecordMemory(store, embedder, opening_words=config.memory.opening_words)
    await memory.reconcile(corpus)
    checkpointer = await stack.enter_async_context(
        AsyncSqliteSaver.from_conn_string(str(directory.checkpoints))
    )
    gate = Gate(
        config.gate,
        memory,
        checker=plan.checker,
        language=config.domain.language,
        opening_words=config.memory.opening_words,
    )
    budget = Budget(config.budget, ledger.totals)
    recorder = ledger.callback(prices=config.prices)
    caller = Caller(ledger, recorder, budget, random_seed=config.random_seed)
    voices = make_voices(config, plan.roles, graph=config.graph)
    workspace = Workspace(
        config=config,
        identity=plan.identity,
        roles=plan.roles,
        voices=voices,
        ledger=ledger,
        corpus=corpus,
        memory=memory,
        gate=gate,
        admission=Admission(corpus, memory, gate),
        seeds=SeedPicker(
            plan.seeds,
            config.seeds,
            embedder=embedder,
            random_seed=config.random_seed,
            recent_labels=memory.recent_labels,
            label=expert_label(caller, voices, plan.roles, config),
        ),
        budget=budget,
        caller=caller,
        checkpointer=checkpointer,
        prompt_version=plan.prompt_version,
    )
    workspace.admission = Admission(corpus, memory, gate, keeps_time=workspace.keeps_time)
    return workspace


def _resolved(plan: RunPlan) -> dict[str, Any]:
    """What `run.yaml` says: the whole configuration, and the versions that carried it out."""
    import importlib.metadata

    versions = {"metasynth": __version__}
    for name in ("langgraph", "langchain-core", "chromadb", "torch", "transformers"):
        versions[name] = importlib.metadata.version(name)
    return {
        "versions": versions,
        "prompt_version": plan.prompt_version,
        "config": plan.config.model_dump(mode="json"),
    }
