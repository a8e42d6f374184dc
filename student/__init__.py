"""The student: scoring, selection and fine-tuning of the model that learns."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .adaptive_contexts import ContextOptions, ContextStrategy, NextContext, next_contexts
    from .allowance import Allowance
    from .badge import choose_badge
    from .bait import choose_bait
    from .budgets import (
        BudgetRule,
        ClusterScores,
        cluster_weights,
        proportional_budgets,
        round_budgets,
        thompson_budgets,
        ucb_budgets,
    )
    from .checking import Checker, check_exact, check_number, final_number, make_checker
    from .coverage import facility_location, k_center, k_means
    from .criteria import CRITERIA, CriterionSpec
    from .embeddings import EmbeddedRows, embed_gradients, embed_rows
    from .fidelity import Cell, Fidelity, Pair, intraclass_correlation, score_fidelity
    from .fine_tuning import TrainingReport, fine_tune, load_trained
    from .gates import Gate, GateReport, context_gate, manifold_gate, prediction_gate, steering_gate
    from .gradients import GradientEmbeddings, gradient_embeddings
    from .intervals import Interval, bootstrap, share, spearman
    from .judging import AskJudge
    from .learnable import LearnableScale
    from .measures import Scored
    from .own_answers import AnswerDecoder, OwnAnswer, Question
    from .ranking import (
        choose_random,
        choose_softmax,
        choose_top,
        gumbel_order,
        oriented,
        rank_normalised,
    )
    from .rendering import Renderer
    from .reward import RewardModel
    from .rows import BadRow, BadRowError, RowFile, StudentRow, make_row, read_rows
    from .score_model import ScoreModel, fit_score_model, out_of_fold
    from .scores import require, score_rows
    from .selection import select
    from .training_rows import told_reasons
else:
    # Slow libraries come with most of it: loaded when it is asked for.
    _MODULES = {
        "adaptive_contexts": (
            "ContextOptions",
            "ContextStrategy",
            "NextContext",
            "next_contexts",
        ),
        "allowance": ("Allowance",),
        "badge": ("choose_badge",),
        "bait": ("choose_bait",),
        "budgets": (
            "BudgetRule",
            "ClusterScores",
            "cluster_weights",
            "proportional_budgets",
            "round_budgets",
            "thompson_budgets",
            "ucb_budgets",
        ),
        "checking": (
            "Checker",
            "check_exact",
            "check_number",
            "final_number",
            "make_checker",
        ),
        "coverage": (
            "facility_location",
            "k_center",
            "k_means",
        ),
        "criteria": (
            "CRITERIA",
            "CriterionSpec",
        ),
        "embeddings": (
            "EmbeddedRows",
            "embed_gradients",
            "embed_rows",
        ),
        "fidelity": (
            "Cell",
            "Fidelity",
            "Pair",
            "intraclass_correlation",
            "score_fidelity",
        ),
        "fine_tuning": (
            "TrainingReport",
            "fine_tune",
            "load_trained",
        ),
        "gates": (
            "Gate",
            "GateReport",
            "context_gate",
            "manifold_gate",
            "prediction_gate",
            "steering_gate",
        ),
        "gradients": (
            "GradientEmbeddings",
            "gradient_embeddings",
        ),
        "intervals": (
            "Interval",
            "bootstrap",
            "share",
            "spearman",
        ),
        "judging": ("AskJudge",),
        "learnable": ("LearnableScale",),
        "measures": ("Scored",),
        "own_answers": (
            "AnswerDecoder",
            "OwnAnswer",
            "Question",
        ),
        "ranking": (
            "choose_random",
            "choose_softmax",
            "choose_top",
            "gumbel_order",
            "oriented",
            "rank_normalised",
        ),
        "rendering": ("Renderer",),
        "reward": ("RewardModel",),
        "rows": (
            "BadRow",
            "BadRowError",
            "RowFile",
            "StudentRow",
            "make_row",
            "read_rows",
        ),
        "score_model": (
            "ScoreModel",
            "fit_score_model",
            "out_of_fold",
        ),
        "scores": (
            "require",
            "score_rows",
        ),
        "selection": ("select",),
        "training_rows": ("told_reasons",),
    }
    _SLOW = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name in _SLOW:
            from importlib import import_module

            return getattr(import_module(f".{_SLOW[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CRITERIA",
    "Allowance",
    "AnswerDecoder",
    "AskJudge",
    "BadRow",
    "BadRowError",
    "BudgetRule",
    "Cell",
    "Checker",
    "ClusterScores",
    "ContextOptions",
    "ContextStrategy",
    "CriterionSpec",
    "EmbeddedRows",
    "Fidelity",
    "Gate",
    "GateReport",
    "GradientEmbeddings",
    "Interval",
    "LearnableScale",
    "NextContext",
    "OwnAnswer",
    "Pair",
    "Question",
    "Renderer",
    "RewardModel",
    "RowFile",
    "ScoreModel",
    "Scored",
    "StudentRow",
    "TrainingReport",
    "bootstrap",
    "check_exact",
    "check_number",
    "choose_badge",
    "choose_bait",
    "choose_random",
    "choose_softmax",
    "choose_top",
    "cluster_weights",
    "context_gate",
    "embed_gradients",
    "embed_rows",
    "facility_location",
    "final_number",
    "fine_tune",
    "fit_score_model",
    "gradient_embeddings",
    "gumbel_order",
    "intraclass_correlation",
    "k_center",
    "k_means",
    "load_trained",
    "make_checker",
    "make_row",
    "manifold_gate",
    "next_contexts",
    "oriented",
    "out_of_fold",
    "prediction_gate",
    "proportional_budgets",
    "rank_normalised",
    "read_rows",
    "require",
    "round_budgets",
    "score_fidelity",
    "score_rows",
    "select",
    "share",
    "spearman",
    "steering_gate",
    "thompson_budgets",
    "told_reasons",
    "ucb_budgets",
]
