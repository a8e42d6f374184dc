"""Chamfer distance (Cox et al. 2021, Directed Diversity, arXiv 2101.06030)."""

import numpy as np

from metasynth.eval.geometry import Matrix, nearest_distances
from metasynth.eval.metric import Measurement, metric, undefined


@metric("Chamfer distance", better="higher", needs="vectors", place=6)
def chamfer_distance(vectors: Matrix) -> Measurement:
    """Mean cosine distance of a text to its nearest.

    From 0 to 2. It falls as the number of texts grows.
    """
    n = len(vectors)
    settings = {"distance": "cosine", "pairs": "i != j"}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    distances = nearest_distances(vectors)
    detail = {
        "equal_to_another": int((distances == 0).sum()),
        "median": float(np.median(distances)),
    }
    return Measurement(float(distances.mean()), n, settings, detail)
