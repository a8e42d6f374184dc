"""Vendi score (Friedman and Dieng 2022); it does not see that a corpus was doubled."""

import numpy as np

from metasynth.eval.geometry import Matrix
from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.vectors.cluster import one_thread

_NO_WEIGHT = 1e-12  # eigenvalues below this share of the largest are rounding


@metric("Vendi score", better="higher", needs="vectors", place=8)
def vendi_score(vectors: Matrix) -> Measurement:
    """Effective number of different texts.

    exp of the entropy of the eigenvalues of K / n, K the cosine similarities; 1 to min(n, d).
    `detail` has the orders 2 and infinity too, which weigh what is common more.
    """
    n = len(vectors)
    settings = {"kernel": "cosine", "order": 1}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    with one_thread():
        # both have the same eigenvalues but for zeros
        square = vectors.T @ vectors if vectors.shape[1] < n else vectors @ vectors.T
        weights = np.linalg.eigvalsh(square / n)
    weights = weights[weights > _NO_WEIGHT * weights.max()]
    weights = weights / weights.sum()
    entropy = float(-(weights * np.log(weights)).sum())
    detail = {
        "order_2": float(1 / np.square(weights).sum()),
        "order_infinity": float(1 / weights.max()),
        "dimensions": vectors.shape[1],
    }
    return Measurement(float(np.exp(entropy)), n, settings, detail)
