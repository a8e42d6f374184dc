"""The student: scoring, selection and fine-tuning of the model that learns."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .allowance import Allowance
    from .badge import choose_badge
    from .bait import choose_bait
    from .budgets import (
        ClusterScores,
        cluster_weights,
        proportional_budgets,
        thompson_budgets,
        ucb_budgets,
    )
    from .coverage import facility_location, k_center, k_means
    from .gradients import GradientEmbeddings, gradient_embeddings
    from .ranking import (
        choose_random,
        choose_softmax,
        choose_top,
        gumbel_order,
        oriented,
        rank_normalised,
    )
    from .selection import select
else:
    # Slow libraries come with most of it: loaded when it is asked for.
    _MODULES = {
        "allowance": ("Allowance",),
        "badge": ("choose_badge",),
        "bait": ("choose_bait",),
        "budgets": (
            "ClusterScores",
            "cluster_weights",
            "proportional_budgets",
            "thompson_budgets",
            "ucb_budgets",
        ),
        "coverage": (
            "facility_location",
            "k_center",
            "k_means",
        ),
        "gradients": (
            "GradientEmbeddings",
            "gradient_embeddings",
        ),
        "ranking": (
            "choose_random",
            "choose_softmax",
            "choose_top",
            "gumbel_order",
            "oriented",
            "rank_normalised",
        ),
        "selection": ("select",),
    }
    _SLOW = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name in _SLOW:
            from importlib import import_module

            return getattr(import_module(f".{_SLOW[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Allowance",
    "ClusterScores",
    "GradientEmbeddings",
    "choose_badge",
    "choose_bait",
    "choose_random",
    "choose_softmax",
    "choose_top",
    "cluster_weights",
    "facility_location",
    "gradient_embeddings",
    "gumbel_order",
    "k_center",
    "k_means",
    "oriented",
    "proportional_budgets",
    "rank_normalised",
    "select",
    "thompson_budgets",
    "ucb_budgets",
]
