"""Remote clique (Cox et al. 2021, Directed Diversity, arXiv 2101.06030).

It does not see clusters: two far apart score as well as texts that are spread out.
"""

import numpy as np

from metasynth.eval.geometry import ROUNDING, Matrix
from metasynth.eval.metric import Measurement, metric, undefined


@metric("remote clique", better="higher", needs="vectors", place=5)
def remote_clique(vectors: Matrix, *, with_self: bool = False) -> Measurement:
    """Mean cosine distance of a text to the others.

    From 0 to n / (n - 1). In closed form: with s the sum of the n unit rows it is (n² - |s|²) /
    (n (n - 1)).

    Args:
        vectors: [n, d], of length one (see `unit_rows`).
        with_self: Count the zero distance to itself too, as the package `diversity` does.
    """
    n = len(vectors)
    settings = {"distance": "cosine", "pairs": "all" if with_self else "i != j"}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    apart = n * n - float(np.square(vectors.sum(axis=0)).sum())
    apart = apart if apart > ROUNDING * n * n else 0.0  # equal rows differ from 0 by rounding
    return Measurement(apart / (n * n if with_self else n * (n - 1)), n, settings)
