"""The stage that keeps what is clean, new and spread among the samples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasynth.blocking import Check, in_thread
from metasynth.graphs.questions.queue import Batch, Question

from .answers import answer_prompt
from .copies import audit_copies
from .workspace import SoftSRVWorkspace

if TYPE_CHECKING:
    from metasynth.softsrv.sampling.samples import Candidate

CHAIN = "softsrv"


async def make_batch(workspace: SoftSRVWorkspace, check: Check) -> Batch:
    """What post-processing keeps, in an order that is the same on every start.

    Raises:
        BudgetEndedError: `check` raised it.
    """
    with workspace.steering.progress.stage("post-processing"):
        candidates = await in_thread(lambda checked: _candidates(workspace, checked), check)
    plan, method = workspace.plan, workspace.plan.settings.method
    return Batch(
        chain=CHAIN,
        source="softsrv" if method == "soft" else method,
        questions=[Question(one.text, one.context_id) for one in candidates],
        models={} if plan.asks_teacher else {"softsrv": workspace.steering.model},
        answer_prompt=lambda text: answer_prompt(plan.settings.answers, plan.templates, text),
        contamination=plan.contamination,
    )


def _candidates(workspace: SoftSRVWorkspace, check: Check) -> "Sequence[Candidate]":
    from metasynth.softsrv.postprocess.pipeline import postprocess
    from metasynth.softsrv.sampling.samples import read_candidates, read_samples, write_candidates

    folder, settings = workspace.steering.folder, workspace.plan.settings
    if "postprocess" in workspace.manifest:
        return list(read_candidates(folder.candidates))
    check()
    samples = list(read_samples(folder.samples))
    if settings.method != "unconditional":
        copies = audit_copies(folder, samples, workspace.config.memory.embedder)
        workspace.manifest.finish("copies", dict(copies))
    result = postprocess(
        samples,
        settings.postprocess,
        seed=settings.random_seed,
        contaminants=workspace.plan.contamination,
    )
    write_candidates(folder.candidates, result.candidates)
    workspace.manifest.finish("postprocess", result.manifest())
    return result.candidates
