"""A run opened for work: everything connected, and closed again whatever happens."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore, IndexConfig

from metasynth.agents.models.adaptation.adaptation import Adaptations
from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.config.marks import NotIdentity, marked_fields
from metasynth.config.run import RunConfig
from metasynth.domains.checkers import load_checkers
from metasynth.graphs.active.workspace import open_active
from metasynth.graphs.admission.admission import Admission
from metasynth.graphs.admission.gate import Gate
from metasynth.graphs.admission.likeness import InstructionPool, NoLikeness, SiblingQuestions
from metasynth.graphs.admission.screening import NoScreen, open_screen
from metasynth.graphs.baselines.plan import template_pool
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.health import Health
from metasynth.graphs.run.threads import EndedThreads
from metasynth.graphs.run.tool_form import ToolForm
from metasynth.graphs.run.voices import Voices, keeps_time
from metasynth.graphs.scoring.resources import resources_for
from metasynth.graphs.scoring.scorer import StudentScorer
from metasynth.graphs.scoring.students import Students
from metasynth.graphs.seeding.documents import DocumentPicker
from metasynth.graphs.seeding.labels import expert_label
from metasynth.graphs.seeding.seeding import SeedPicker
from metasynth.graphs.softsrv.steering.sampler import NoSampler
from metasynth.graphs.softsrv.workspace import open_sampler, open_softsrv
from metasynth.graphs.tail.best_of_batch import open_quota
from metasynth.graphs.workspace import Workspace
from metasynth.memory.corpus import Corpus
from metasynth.memory.ledger import Ledger
from metasynth.memory.recorder import CallRecorder
from metasynth.memory.records import RecordMemory
from metasynth.memory.store.chroma import check_place
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.documents import Document
from metasynth.records.rundir import RunDirectory
from metasynth.records.seed_file import write_seeds
from metasynth.redaction import Redactor
from metasynth.sqlite import discard_damaged
from metasynth.student.rounds_folder import RoundsFolder
from metasynth.vectors.vocabulary import Readable
from metasynth.version import code_version

from .chat_models import make_voices
from .plan import RunPlan, checker_names, record_graph_name, roles_of
from .prices import prices_of
from .sign_of_life import check_models
from .threads import kept_threads, open_checkpoints
from .tracing import end_traces, open_tracer

if TYPE_CHECKING:
    from metasynth.vectors.embed import SentenceEmbedder


# keys that may change between two starts
_FREE = tuple(".".join(path) for path, _ in marked_fields(RunConfig, NotIdentity))
_DIGESTED = ("document", "instruct")  # graphs whose conductor is shown a digest
_BEHIND_S = 0.5  # until the first calls of a run are sent
_NO_LIKENESS = 2.0  # Evol-Instruct compares its instructions with no other


@asynccontextmanager
async def open_run(plan: RunPlan, out: Path) -> AsyncIterator[Workspace]:
    """The workspace of a run in the directory `out`, new or gone on with.

    Before anything is written it makes sure of the models, see `check_models`.

    Raises:
        ModelCallError: A model cannot be asked at all.
        RequestError: The directory cannot be used for this run.
        MetaSynthError: What lies in the directory is damaged.
    """
    checked = await check_models(plan, out)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(load_checkers, checker_names(plan.config))
        # What reads and writes files does so in threads, for a server's loop must not stand still.
        directory = stack.enter_context(await asyncio.to_thread(_open_directory, plan, out))
        workspace = await _connect(plan, directory, stack)
        await asyncio.to_thread(workspace.ledger.take_over, checked)
        await asyncio.to_thread(workspace.gate.learn, workspace.corpus.records())
        shown = [(seed.id, seed.text) for seed in (*plan.seeds, *plan.exemplars)]
        await asyncio.to_thread(workspace.gate.learn_sources, shown)
        await asyncio.to_thread(_remember_seeds, workspace)
        yield workspace


def _open_directory(plan: RunPlan, out: Path) -> AbstractContextManager[RunDirectory]:
    directory = RunDirectory(out).open(_resolved(plan), identity=plan.identity, free=_FREE)
    if plan.seeds:
        write_seeds(directory.seeds, plan.seeds)
    if plan.config.template.exemplars is not None:
        write_seeds(directory.exemplars, plan.exemplars)
    return directory


def _ended_threads(
    config: RunConfig,
    directory: RunDirectory,
    checkpointer: BaseCheckpointSaver[Any],
    corpus: Corpus,
    screen: NoScreen,
) -> EndedThreads:
    """What keeps the threads of ended records; those of records in work are none of them."""
    records = kept_threads(directory.checkpoints).values()
    ended = [record for record in records if record in corpus or record in screen]
    return EndedThreads(checkpointer, config.keep_threads, ended)


def _remember_seeds(workspace: Workspace) -> None:
    """Let the seed picker go on where each chain's last record left it."""
    ended = (
        *workspace.corpus.records(),
        *workspace.corpus.rejected_records(),
        *workspace.screen.room,
    )
    for record in sorted(ended, key=lambda record: record.id):  # ids sort by chain, then number
        for seed_id in record.seed_ids:
            workspace.seeds.remember(record.id.split("-")[1], seed_id)


class _Stores(NamedTuple):
    embedder: "SentenceEmbedder"
    memory: RecordMemory
    ledger: Ledger
    corpus: Corpus


def _open_stores(plan: RunPlan, directory: RunDirectory, stack: AsyncExitStack) -> _Stores:
    from metasynth.vectors.embed import load_embedder

    config = plan.config
    discard_damaged(directory.vectors, "vectors are computed again")
    embedder = load_embedder(config.memory.embedder, cache=directory.vectors)
    stack.callback(embedder.close)
    check_place(config.memory.url or directory.memory)  # nothing is paid where it cannot be kept
    store = stack.enter_context(ExitStack())

    def open_store() -> BaseStore:
        """Behind the first calls: importing and opening Chroma takes longer than one."""
        index = IndexConfig(dims=embedder.dims, embed=embedder, fields=["summary"])
        return store.enter_context(_open_store(plan, directory, index))

    memory = RecordMemory(
        open_store,
        embedder,
        opening_words=config.memory.opening_words,
        searchable=_is_searched(config),
    )
    stack.push_async_callback(asyncio.to_thread, memory.close)
    ledger = Ledger(directory.ledger)
    stack.callback(ledger.close)
    corpus = Corpus(directory.root)
    stack.callback(corpus.close)
    memory.load(corpus)
    return _Stores(embedder, memory, ledger, corpus)


def _is_searched(config: RunConfig) -> bool:
    """Whether anything of a run asks what is near: the gate, or the digest of a conductor."""
    digested = config.memory.told and config.memory.neighbours > 0
    return config.gate.min_distance > 0 or (digested and record_graph_name(config) in _DIGESTED)


def _preload(config: RunConfig, embedder: "SentenceEmbedder", stack: AsyncExitStack) -> None:
    """Load the embedder while the first calls are under way, where anything will ask it."""
    if _is_searched(config):
        timer = asyncio.get_running_loop().call_later(_BEHIND_S, embedder.preload)
        stack.callback(timer.cancel)


def _open_store(plan: RunPlan, directory: RunDirectory, index: IndexConfig) -> ChromaStore:
    """The memory's store; a damaged one of the run's own begins anew, for the corpus has it all."""
    name = f"run-{plan.identity}"
    if plan.config.memory.url:
        return ChromaStore.open(plan.config.memory.url, index=index, name=name)
    if discard_damaged(directory.memory / "chroma.sqlite3", "it is built again from the corpus"):
        shutil.rmtree(directory.memory)
    return ChromaStore.open(directory.memory, index=index, name=name)


async def _connect(plan: RunPlan, directory: RunDirectory, stack: AsyncExitStack) -> Workspace:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    config = plan.config
    embedder, memory, ledger, corpus = await asyncio.to_thread(_open_stores, plan, directory, stack)
    # not `from_conn_string`, a generator: a server that stops closes all generators at once
    await asyncio.to_thread(
        discard_damaged, directory.checkpoints, "records in work begin anew, calls are not repeated"
    )
    connection = await stack.enter_async_context(open_checkpoints(directory.checkpoints))
    checkpointer = AsyncSqliteSaver(connection)
    gate = Gate(
        config.gate,
        memory,
        checker=plan.checker,
        language=config.domain.language,
        opening_words=config.memory.opening_words,
        likeness=_likeness(plan),
        readable=Readable(embedder),
    )
    _preload(config, embedder, stack)
    budget = Budget(config.budget, ledger.totals)
    tracer = await open_tracer(plan, directory, stack)
    await end_traces(tracer, corpus)
    recorder = CallRecorder(ledger, prices=prices_of(config), tracer=tracer)
    health = Health(lambda: corpus.accepted)
    caller = Caller(ledger, recorder, budget, random_seed=config.random_seed, health=health)
    adaptations = await asyncio.to_thread(Adaptations, directory.adaptations)
    voices = await asyncio.to_thread(make_voices, config, roles_of(config, plan.roles), adaptations)
    models = stack.enter_context(ExitStack())
    students = Students(config.student, RoundsFolder(directory.student))
    screen = await asyncio.to_thread(
        _screen, plan, directory, students, models, corpus=corpus, caller=caller, voices=voices
    )
    sampler = NoSampler()
    if plan.softsrv is not None and config.graph == "document":
        sampler = await asyncio.to_thread(
            open_sampler, plan.softsrv, directory.softsrv, config, models
        )
    threads = await asyncio.to_thread(
        _ended_threads, config, directory, checkpointer, corpus, screen
    )
    stack.push_async_callback(threads.close)
    workspace = Workspace(
        config=config,
        identity=plan.identity,
        roles=plan.roles,
        voices=voices,
        ledger=ledger,
        corpus=corpus,
        memory=memory,
        gate=gate,
        admission=Admission(corpus, memory, gate, keeps_time=keeps_time(config, voices)),
        seeds=_documents(plan)
        or SeedPicker(
            plan.seeds,
            config.seeds,
            embedder=embedder,
            random_seed=config.random_seed,
            recent_labels=memory.recent_labels,
            label=expert_label(caller, voices, plan.roles, config),
        ),
        budget=budget,
        caller=caller,
        quota=open_quota(config, corpus, screen),
        checkpointer=checkpointer,
        threads=threads,
        prompt_version=plan.prompt_version,
        exemplars=plan.exemplars,
        screen=screen,
        sampler=sampler,
        adaptations=adaptations,
        tool_form=ToolForm(config.conductor.tools, directory.root / "tool_form.json"),
        callbacks=[tracer],
    )
    if plan.active is not None:
        return await asyncio.to_thread(
            open_active, plan.active, plan.softsrv, directory, workspace, students, models
        )
    if plan.softsrv is not None and config.graph == "softsrv":
        return await asyncio.to_thread(
            open_softsrv, plan.softsrv, directory.softsrv, workspace, models
        )
    return workspace


def _screen(
    plan: RunPlan,
    directory: RunDirectory,
    students: Students,
    stack: ExitStack,
    *,
    corpus: Corpus,
    caller: Caller,
    voices: Voices,
) -> NoScreen:
    """The student's say, where it has one."""
    if plan.screening is None:
        return NoScreen()
    settings, config = plan.screening.settings, plan.config
    resources = resources_for(
        settings.scoring,
        config.student,
        caller=caller,
        teacher=voices.experts,
        checker=config.checker,
    )
    return open_screen(
        settings,
        StudentScorer(settings, students, resources=resources, seed=config.random_seed),
        directory.student,
        stack,
        corpus=corpus,
        is_ours=lambda id_: id_.startswith(plan.identity[:6]),
    )


def _likeness(plan: RunPlan) -> NoLikeness:
    """What a text is compared with: the instructions of its document, or a whole pool."""
    config, likeness = plan.config, plan.config.instruct.max_likeness
    if config.graph not in INSTRUCT_GRAPHS:
        return template_pool(config, plan.exemplars)
    if config.graph in ("instruct", "template_qa"):
        return SiblingQuestions(likeness)
    seeds = {seed.id: seed.text for seed in plan.seeds}
    return InstructionPool(seeds, likeness if config.graph == "self_instruct" else _NO_LIKENESS)


def _documents(plan: RunPlan) -> DocumentPicker | None:
    """What hands out documents, where instructions are made from them."""
    config = plan.config
    documents = [seed for seed in plan.seeds if isinstance(seed, Document)]
    if config.graph not in ("instruct", "template_qa"):
        return None
    return DocumentPicker(
        documents, per_document=config.instruct.per_document, random_seed=config.random_seed
    )


def _resolved(plan: RunPlan) -> dict[str, Any]:
    """What `run.yaml` says: the whole configuration without secrets, and the versions."""
    import importlib.metadata

    config = plan.config.model_dump(mode="json")
    models = {  # with what they have from the teacher
        part: plan.config.model_for(part).model_dump(mode="json")
        for part in ("conductor", "experts")
    }
    redactor = Redactor(os.environ, config)
    versions = {"metasynth": code_version()}
    for name in ("langgraph", "langchain-core", "chromadb", "torch", "transformers"):
        versions[name] = importlib.metadata.version(name)
    return {
        "versions": versions,
        "prompt_version": plan.prompt_version,
        "config": redactor.everywhere(config),
        "models": redactor.everywhere(models),
    }
