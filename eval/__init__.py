"""Evaluation: diversity, distance to a target, coverage, contamination; each with its settings.

`measured` gives all metrics of one corpus as plain data.
"""

from typing import TYPE_CHECKING

# A module and its function are both called mauve: imported here, the name is the function's.
from .divergence import divergence_curve, mauve_of_histograms
from .mauve import MauveCeiling, MauveResult, mauve, mauve_ceiling

if TYPE_CHECKING:
    from .accuracy import Estimate
    from .bleu import self_bleu
    from .categories import label_entropy, opening_entropy
    from .code_execution import CodeExecution, CodeLimits, run_python
    from .comparing import (
        Cell,
        Comparison,
        Interval,
        Means,
        Measured,
        Role,
        compare,
        interval_of_draws,
        plain_comparison,
    )
    from .compression import compression_ratio, compression_ratio_twice, compression_ratio_xz
    from .coverage import Coverage, topic_coverage
    from .draws import Draw, EqualDraws, equal_draws
    from .evidence import Closed, gap_closed, surprises
    from .few_shot import Examples
    from .geometry import chamfer_distance, nearest_distances, remote_clique, unit_rows, vendi_score
    from .lexical import (
        common_phrases,
        ngram_diversity,
        ngram_diversity_sum,
        peculiar_words,
        self_repetition,
        telling_words,
    )
    from .measuring import Labels, measure, measured
    from .metric import METRICS, Metric, MetricSpec, undefined
    from .near_duplicates import near_duplicate_rate
    from .rarity import (
        WordFrequencies,
        inverse_frequency_of_types,
        mean_inverse_frequency,
        word_frequencies,
    )
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
    from .task_answers import final_number, label_in, numbers_in, rounds_to
    from .task_estimates import task_gain
    from .task_evaluation import TaskSettings
    from .task_harness import harness_tasks, require_harness
    from .task_mbpp import make_mbpp
    from .task_models import AskModel, ModelAnswer
    from .task_result import ItemResult, TaskResult
    from .task_rows import load_task_rows, read_task_rows
    from .task_spec import BadItemError, TaskItem, TaskRow, TaskSource, TaskSpec, TaskVerdict
    from .tasks import TASKS, evaluate_task, find_task
    from .tokens import TokenTable, tokenise
else:
    _MODULES = {
        "comparing": (
            "Cell",
            "Comparison",
            "Interval",
            "Means",
            "Measured",
            "Role",
            "compare",
            "interval_of_draws",
            "plain_comparison",
        ),
        "draws": (
            "Draw",
            "EqualDraws",
            "equal_draws",
        ),
        "evidence": (
            "Closed",
            "gap_closed",
            "surprises",
        ),
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
            "peculiar_words",
            "telling_words",
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
            "inverse_frequency_of_types",
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
        "accuracy": ("Estimate",),
        "code_execution": (
            "CodeExecution",
            "CodeLimits",
            "require_harness",
            "run_python",
        ),
        "few_shot": ("Examples",),
        "task_answers": (
            "final_number",
            "label_in",
            "numbers_in",
            "rounds_to",
        ),
        "task_estimates": ("task_gain",),
        "task_evaluation": ("TaskSettings",),
        "task_harness": (
            "harness_tasks",
            "require_harness",
        ),
        "task_mbpp": ("make_mbpp",),
        "task_models": (
            "AskModel",
            "ModelAnswer",
        ),
        "task_result": (
            "ItemResult",
            "TaskResult",
        ),
        "task_rows": (
            "load_task_rows",
            "read_task_rows",
        ),
        "task_spec": (
            "BadItemError",
            "TaskItem",
            "TaskRow",
            "TaskSource",
            "TaskSpec",
            "TaskVerdict",
        ),
        "tasks": (
            "TASKS",
            "evaluate_task",
            "find_task",
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
    "TASKS",
    "AskModel",
    "BadItemError",
    "Cell",
    "CellCounts",
    "Chart",
    "Closed",
    "CodeExecution",
    "CodeLimits",
    "Comparison",
    "Cost",
    "Count",
    "Coverage",
    "Document",
    "Draw",
    "EqualDraws",
    "Estimate",
    "Examples",
    "Fact",
    "Interval",
    "ItemResult",
    "Labels",
    "MauveCeiling",
    "MauveResult",
    "Means",
    "Measured",
    "Metric",
    "MetricRow",
    "MetricSpec",
    "ModelAnswer",
    "Plane",
    "Point",
    "Reading",
    "Report",
    "Role",
    "Series",
    "Shape",
    "Side",
    "Task2VecSettings",
    "TaskItem",
    "TaskResult",
    "TaskRow",
    "TaskSettings",
    "TaskSource",
    "TaskSpec",
    "TaskVerdict",
    "TextCorpus",
    "TokenTable",
    "WordFrequencies",
    "chamfer_distance",
    "common_phrases",
    "compare",
    "compression_ratio",
    "compression_ratio_twice",
    "compression_ratio_xz",
    "divergence_curve",
    "equal_draws",
    "evaluate_task",
    "final_number",
    "find_task",
    "gap_closed",
    "harness_tasks",
    "homogenization",
    "interval_of_draws",
    "inverse_frequency_of_types",
    "label_entropy",
    "label_in",
    "load_task_rows",
    "make_mbpp",
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
    "numbers_in",
    "opening_entropy",
    "peculiar_words",
    "plain_comparison",
    "project",
    "read_corpus",
    "read_task_rows",
    "remote_clique",
    "render_report",
    "report_metrics",
    "report_sentence",
    "require_harness",
    "rounds_to",
    "run_python",
    "scaled_distance",
    "self_bleu",
    "self_repetition",
    "surprises",
    "task2vec_diversity",
    "task_gain",
    "telling_words",
    "tokenise",
    "topic_coverage",
    "undefined",
    "unit_rows",
    "vendi_score",
    "word_frequencies",
]
