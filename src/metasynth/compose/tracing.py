"""The traces of a run: a file in its directory, and whatever collector its user has named."""

import asyncio
import functools
import os
from contextlib import AsyncExitStack

from metasynth.graphs.node_facts import node_facts
from metasynth.memory.corpus import Corpus
from metasynth.memory.traces.export import Exporter, collector_of
from metasynth.memory.traces.file import TraceFile
from metasynth.memory.traces.tracer import Tracer
from metasynth.records.rundir import RunDirectory
from metasynth.redaction import Redactor
from metasynth.version import code_version

from .plan import RunPlan


async def open_tracer(plan: RunPlan, directory: RunDirectory, stack: AsyncExitStack) -> Tracer:
    """The tracer of a run; `stack` closes it, its file, and the way to a collector.

    Raises:
        RequestError: The file cannot be written, or a collector is named that cannot be sent to.
        MetaSynthError: A line of it is broken.
    """
    config = plan.config
    resource = {
        "service.name": "metasynth",
        "service.version": code_version(),
        "metasynth.run.name": config.name,
        "metasynth.run.identity": plan.identity,
        "metasynth.graph": config.graph,
    }
    redactor = Redactor(os.environ, config.model_dump(mode="json"))
    send = None
    if (collector := collector_of(os.environ)) is not None:
        exporter = await asyncio.to_thread(
            functools.partial(Exporter, collector[0], os.environ, clean=redactor.text)
        )
        stack.push_async_callback(asyncio.to_thread, exporter.close)
        send = exporter.send
    file = await asyncio.to_thread(
        functools.partial(TraceFile, directory.traces, resource, clean=redactor.text, also=send)
    )
    stack.callback(file.close)
    tell = functools.partial(node_facts, plan.identity)
    tracer = Tracer(file, tell, graph=config.graph)
    stack.push_async_callback(tracer.close)
    return tracer


async def end_traces(tracer: Tracer, corpus: Corpus) -> None:
    """End the traces of records that ended when a kill came before their last span was written."""
    for record_id, last in (await asyncio.to_thread(tracer.unended)).items():
        record = await asyncio.to_thread(corpus.find, record_id)
        if record is not None:
            outcome = "rejected" if record.reason else "accepted"
            told = {"metasynth.reason": record.reason or ""}
            await tracer.end_record(record_id, outcome, told, end=last)
