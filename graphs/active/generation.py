"""The stage that makes ready what workers write: one question for each row that is asked for."""

import asyncio

from metasynth.blocking import Check, in_thread
from metasynth.graphs.questions.queue import Batch, Question
from metasynth.graphs.softsrv.answers import answer_prompt

from .contexts import Steered
from .decoding import decode_questions, faults_of
from .folder import reopen_unfinished
from .pool import problem_of
from .requests import request_for
from .workspace import ActiveWorkspace


async def make_batch(workspace: ActiveWorkspace, check: Check) -> Batch:
    """The rows of the round: decoded by SoftSRV, asked of the teacher, or a conductor's.

    Raises:
        BudgetEndedError: `check` raised it; what is decoded is kept.
    """
    await asyncio.to_thread(reopen_unfinished, workspace)
    if workspace.steered is not None:
        return await _decoded(workspace, workspace.steered, check)
    settings, conducts = workspace.plan.settings, workspace.plan.conducts
    follows = workspace.voices.experts.follows_prompts
    questions = []
    for row in workspace.rounds.selected:
        seed = workspace.plan.pool.by_id[row.seed_ids[0]]
        request = None if conducts else request_for(seed, settings.teacher, follows_prompts=follows)
        questions.append(Question(problem_of(seed), seed.id, request))
    return Batch(
        chain=workspace.chain_at(1),
        source=settings.generate,
        questions=questions,
        models={},
        contamination=workspace.plan.contamination,
    )


async def _decoded(workspace: ActiveWorkspace, steered: Steered, check: Check) -> Batch:
    rounds, steering = workspace.rounds, steered.steering
    names = [row.seed_ids[0] for row in rounds.selected]
    with rounds.progress.stage("decoding"):
        samples = await in_thread(
            lambda checked: decode_questions(
                steered, rounds.here, names, checked, number=rounds.number
            ),
            check,
        )
    return Batch(
        chain=workspace.chain_at(1),
        source=workspace.plan.settings.generate,
        questions=[
            Question(sample.text, sample.context_id, fault=", ".join(faults_of(steered, sample)))
            for sample in samples
        ],
        models={"softsrv": steering.model},
        answer_prompt=lambda text: answer_prompt(
            steering.settings.answers, steered.templates, text
        ),
        contamination=workspace.plan.contamination,
    )
