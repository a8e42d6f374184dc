"""Questions decoded from a round's contexts; the teacher answers them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.blocking import Check
from metasynth.randomness import derive_seed
from metasynth.student.rounds_folder import RoundFolder

from .contexts import Steered, contexts_in_turn, read_contexts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metasynth.softsrv.sampling.samples import Sample

_STATIC = 64  # samples of A0 that the share of junk is compared with, at most


def decode_questions(
    steered: Steered, folder: RoundFolder, names: Sequence[str], check: Check, *, number: int
) -> "list[Sample]":
    """One sample from each context of the round, in the order of its rows; blocks.

    Samples that the folder holds are not drawn again. Beside them some are drawn from the contexts
    of A0, with which the gates compare.

    Args:
        names: What the contexts are called [rows].
        number: The round.

    Raises:
        BudgetEndedError: `check` raised it; what is drawn is kept.
    """
    z = read_contexts(folder.contexts)["z"]
    samples = _decoded(steered, folder.drawn, z, names, check, number=number)
    if steered.strategy != "static":
        static = contexts_in_turn(steered, folder.contexts, min(_STATIC, len(names)))
        static_names = [f"static-{place}" for place in range(len(static))]
        _decoded(steered, static_drawn(folder), static, static_names, check, number=-number)
    return samples


def faults_of(steered: Steered, sample: "Sample") -> list[str]:
    """What is wrong with a sample by its text alone."""
    from metasynth.softsrv.postprocess.junk import junk_reasons

    rules = steered.steering.settings.postprocess
    return list(junk_reasons(sample.text, rules, stopped=sample.stopped))


def static_drawn(folder: RoundFolder) -> Path:
    """Where the samples of A0 lie, beside those of the round."""
    return folder.drawn.with_name("drawn-static.jsonl")


def read_drawn(path: Path) -> "list[Sample]":
    """The samples of a file; none where there is no file."""
    from metasynth.softsrv.sampling.samples import read_samples

    return list(read_samples(path)) if path.exists() else []


def _decoded(
    steered: Steered,
    path: Path,
    z: "NDArray[np.float32]",
    names: Sequence[str],
    check: Check,
    *,
    number: int,
) -> "list[Sample]":
    from metasynth.softsrv.sampling.samples import SampleFile

    progress = steered.steering.progress
    with SampleFile(path) as file, progress.stage("decoding"):
        start = file.next_number
        for sample in _draw(steered, z, names, check, number=number, start=start):
            file.append(sample)
            progress.text = f"{sample.number + 1} questions decoded"
    return read_drawn(path)


def _draw(
    steered: Steered,
    z: "NDArray[np.float32]",
    names: Sequence[str],
    check: Check,
    *,
    number: int,
    start: int,
) -> "Iterator[Sample]":
    """One sample from each context from number `start` on; the same on every start."""
    import torch

    from metasynth.softsrv.sampling.soft_sampler import SoftSampler
    from metasynth.softsrv.target import TargetRow

    steering = steered.steering
    artifact = steering.artifact(check)
    own = replace(
        artifact,
        contexts=torch.from_numpy(z).to(artifact.contexts),
        rows=[TargetRow(id=name, text="") for name in names],
    )
    seed = derive_seed(steered.seed, "round", number)
    with SoftSampler(steering.backbone(), own, steering.settings.sampling, seed=seed) as sampler:
        count = len(names) - start
        for sample in sampler.sample(count, start=start, contexts=range(len(names))):
            check()
            yield sample
