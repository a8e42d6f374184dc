"""Task2Vec diversity coefficient (Lee, Miranda et al. 2023), by a probe network."""

from collections.abc import Sequence

from metasynth.eval.metric import Measurement, metric
from metasynth.eval.probe import Probe


@metric("Task2Vec diversity", better="higher", needs=("texts", "probe"), place=1)
def task2vec(texts: Sequence[str], probe: Probe) -> Measurement:
    """Mean distance of Fisher embeddings of random batches."""
    from metasynth.eval.task2vec.coefficient import Task2VecSettings, task2vec_diversity

    settings = Task2VecSettings(batches=probe.batches, texts=probe.texts, seed=probe.seed)
    return task2vec_diversity(probe.lm, texts, settings, on_batch=probe.on_batch)
