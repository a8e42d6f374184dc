"""Evaluation: distance to a target.

Diversity, contamination, tasks and the report are not built yet.
"""

# A module and its function are both called mauve: imported here, the name is the function's.
from .divergence import divergence_curve, mauve_of_histograms
from .mauve import MauveCeiling, MauveResult, mauve, mauve_ceiling

__all__ = [
    "MauveCeiling",
    "MauveResult",
    "divergence_curve",
    "mauve",
    "mauve_ceiling",
    "mauve_of_histograms",
]
