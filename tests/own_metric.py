"""A metric of a stranger's, one file in a directory of plug-ins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metasynth.eval.metric import METRICS

YULES_K = """\
import numpy as np

from metasynth.eval.metric import metric
from metasynth.eval.tokens import TokenTable


@metric("Yule's K", better="lower", needs="tokens")
def yules_k(tokens: TokenTable) -> float:
    '''10,000 times the chance that two words are the same.'''
    counts = tokens.counts
    return float(1e4 * (np.square(counts).sum() - counts.sum()) / counts.sum() ** 2)
"""


def write_metric(folder: Path, *, name: str = "yules_k", text: str = YULES_K) -> Path:
    """The directory, made where it is missing, with the metric in it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@contextmanager
def only_builtin_metrics_after() -> Iterator[None]:
    """Others' metrics that the block made known are unknown after it."""
    try:
        yield
    finally:
        for name in set(METRICS.names()) - set(METRICS.builtin()):
            METRICS.forget(name)
