"""Evaluation: diversity, distance to a target, coverage, contamination; each with its settings.

`measured` gives all metrics of one corpus as plain data.
"""

from typing import TYPE_CHECKING

# A module and its function are both called mauve: imported here, the name is the function's.
from .divergence import divergence_curve, mauve_of_histograms
from .mauve import MauveCeiling, MauveResult, mauve, mauve_ceiling

if TYPE_CHECKING:
    from .bleu import self_bleu
    from .categories import label_entropy, opening_entropy
    from .compression import compression_ratio, compression_ratio_twice, compression_ratio_xz
    from .coverage import Coverage, topic_coverage
    from .geometry import chamfer_distance, nearest_distances, remote_clique, unit_rows, vendi_score
    from .lexical import common_phrases, ngram_diversity, ngram_diversity_sum, self_repetition
    from .measuring import Labels, measure, measured
    from .metric import METRICS, Metric, MetricSpec, undefined
    from .near_duplicates import near_duplicate_rate
    from .rarity import WordFrequencies, mean_inverse_frequency, word_frequencies
    from .reading import Document, Shape, TextCorpus, read_corpus
    from .report import render_report, report_metrics
    from .report_data import (
        CellCounts,
        Chart,
        Cost,
        Count,
        Fact,
        MetricRow,
        Plane,
        Point,
        Reading,
        Report,
        Series,
        Side,
    )
    from .report_plane import project
    from .report_verdicts import report_sentence
    from .rouge import homogenization
    from .task2vec import Task2VecSettings, scaled_distance, task2vec_diversity
    from .tokens import TokenTable, tokenise
else:
    _MODULES = {
        "bleu": ("self_bleu",),
        "categories": (
            "label_entropy",
            "opening_entropy",
        ),
        "compression": (
            "compression_ratio",
            "compression_ratio_twice",
            "compression_ratio_xz",
        ),
        "coverage": (
            "Coverage",
            "topic_coverage",
        ),
        "geometry": (
            "chamfer_distance",
            "nearest_distances",
            "remote_clique",
            "unit_rows",
            "vendi_score",
        ),
        "lexical": (
            "common_phrases",
            "ngram_diversity",
            "ngram_diversity_sum",
            "self_repetition",
        ),
        "measuring": (
            "Labels",
            "measure",
            "measured",
        ),
        "metric": (
            "METRICS",
            "Metric",
            "MetricSpec",
            "undefined",
        ),
        "near_duplicates": ("near_duplicate_rate",),
        "rarity": (
            "WordFrequencies",
            "mean_inverse_frequency",
            "word_frequencies",
        ),
        "reading": (
            "Document",
            "Shape",
            "TextCorpus",
            "read_corpus",
        ),
        "report": (
            "render_report",
            "report_metrics",
        ),
        "report_data": (
            "CellCounts",
            "Chart",
            "Cost",
            "Count",
            "Fact",
            "MetricRow",
            "Plane",
            "Point",
            "Reading",
            "Report",
            "Series",
            "Side",
        ),
        "report_plane": ("project",),
        "report_verdicts": ("report_sentence",),
        "rouge": ("homogenization",),
        "task2vec": (
            "Task2VecSettings",
            "scaled_distance",
            "task2vec_diversity",
        ),
        "tokens": (
            "TokenTable",
            "tokenise",
        ),
    }

    _LAZY = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name in _LAZY:
            from importlib import import_module

            return getattr(import_module(f".{_LAZY[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "METRICS",
    "CellCounts",
    "Chart",
    "Cost",
    "Count",
    "Coverage",
    "Document",
    "Fact",
    "Labels",
    "MauveCeiling",
    "MauveResult",
    "Metric",
    "MetricRow",
    "MetricSpec",
    "Plane",
    "Point",
    "Reading",
    "Report",
    "Series",
    "Shape",
    "Side",
    "Task2VecSettings",
    "TextCorpus",
    "TokenTable",
    "WordFrequencies",
    "chamfer_distance",
    "common_phrases",
    "compression_ratio",
    "compression_ratio_twice",
    "compression_ratio_xz",
    "divergence_curve",
    "homogenization",
    "label_entropy",
    "mauve",
    "mauve_ceiling",
    "mauve_of_histograms",
    "mean_inverse_frequency",
    "measure",
    "measured",
    "near_duplicate_rate",
    "nearest_distances",
    "ngram_diversity",
    "ngram_diversity_sum",
    "opening_entropy",
    "project",
    "read_corpus",
    "remote_clique",
    "render_report",
    "report_metrics",
    "report_sentence",
    "scaled_distance",
    "self_bleu",
    "self_repetition",
    "task2vec_diversity",
    "tokenise",
    "topic_coverage",
    "undefined",
    "unit_rows",
    "vendi_score",
    "word_frequencies",
]
