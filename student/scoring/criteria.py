"""The criteria: what each needs, computes and costs, and which end of it means hard.

A score is oriented: high is hard, uncertain or worth learning, whatever the criterion. Where the
criterion's own value says so with a low number, the score is its negative; the value itself stands
in a score's details. "Own answer" is what the student decodes to the prompt itself: greedily unless
told otherwise, which under-states its uncertainty (arXiv 2512.00884 leaves the decode open).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metasynth.config.student import Criterion

Need = Literal["own answer", "answer", "judge", "reward model", "checker", "training"]

_KESSLER = "Kessler et al., arXiv 2512.00884"
_CLASSIC = "uncertainty sampling, as in the code of JordanAsh/badge"
_BHATT = "Bhatt et al. 2024, arXiv 2401.06692"


@dataclass(frozen=True)
class CriterionSpec:
    """One criterion.

    Attributes:
        formula: Its value; y is the given answer of T tokens, ŷ the student's own.
        hard: Which of its values mean hard; the score of "low" ones is the negated value.
        needs: What a row or the caller has to bring.
        cost: What a row costs: forward passes of the student, calls of others.
        source: Where it comes from.
    """

    formula: str
    hard: Literal["high", "low"]
    needs: frozenset[Need]
    cost: str
    source: str

    def score(self, value: float) -> float:
        """The criterion's value as a score: high is hard."""
        return value if self.hard == "high" else 0.0 - value


def _spec(
    formula: str, hard: Literal["high", "low"], *needs: Need, cost: str, source: str
) -> CriterionSpec:
    return CriterionSpec(formula, hard, frozenset(needs), cost, source)


CRITERIA: Mapping[Criterion, CriterionSpec] = {
    "random": _spec(
        "uniform in [0, 1), from the seed and the row's id",
        "high",
        cost="nothing",
        source=_KESSLER,
    ),
    "loss_self": _spec(
        "-(1/T) Σ_j log p_j(ŷ_j)",
        "high",
        "own answer",
        cost="a decode and a forward pass",
        source=_KESSLER,
    ),
    "loss_gold": _spec(
        "-(1/T) Σ_j log p_j(y_j)", "high", "answer", cost="a forward pass", source=_KESSLER
    ),
    "entropy": _spec(
        "mean_j Σ_v -p_jv log p_jv along ŷ",
        "high",
        "own answer",
        cost="a decode and a forward pass",
        source=_CLASSIC,
    ),
    "margin": _spec(
        "mean_j (p_j's largest - its second) along ŷ",
        "low",
        "own answer",
        cost="a decode and a forward pass",
        source=_CLASSIC,
    ),
    "least_confidence": _spec(
        "1 - mean_j max_v p_jv along ŷ (detail `sequence`: 1 - Π_j max_v p_jv)",
        "high",
        "own answer",
        cost="a decode and a forward pass",
        source=_CLASSIC,
    ),
    "min_margin": _spec(
        "min_j (p_j's largest - its second) along ŷ",
        "low",
        "own answer",
        cost="a decode and a forward pass",
        source=_BHATT,
    ),
    "max_entropy": _spec(
        "max_j Σ_v -p_jv log p_jv along ŷ",
        "high",
        "own answer",
        cost="a decode and a forward pass",
        source=_BHATT,
    ),
    "perplexity": _spec(
        "exp(-(1/T) Σ_j log p_j(y_j))",
        "high",
        "answer",
        cost="a forward pass",
        source="loss_gold on another scale, the same order",
    ),
    "ifd": _spec(
        "mean NLL(y | x) / mean NLL(y); above 1 no score: the prompt does not help",
        "high",
        "answer",
        cost="two forward passes",
        source="Li et al., Cherry_LLM: the ratio of mean losses, not of perplexities",
    ),
    "el2n": _spec(
        "mean_j ||p_j - onehot(y_j)||₂, from 0 to √2",
        "high",
        "answer",
        cost="a forward pass",
        source="Paul et al. 2021 (data_diet), who average ten runs",
    ),
    "reward": _spec(
        "r(x, ŷ)",
        "low",
        "own answer",
        "reward model",
        cost="a decode and a forward pass of the reward model",
        source=_KESSLER,
    ),
    "judge": _spec(
        "the judge's grade of ŷ, 1 to 10",
        "low",
        "own answer",
        "judge",
        cost="a decode and a call of the judge",
        source=_KESSLER,
    ),
    "lion": _spec(
        "the judge's score of the teacher's answer less that of ŷ, each the mean of two runs with "
        "places swapped (detail `hard`: 1 from a gap of 1.0)",
        "high",
        "own answer",
        "judge",
        cost="a decode and two calls of the judge, three where the row has no answer",
        source="Jiang et al. 2023, YJiangcm/Lion",
    ),
    "wrong": _spec(
        "1 if the checker finds ŷ wrong, 0 if right",
        "high",
        "own answer",
        "checker",
        cost="a decode",
        source="LLM2LLM, Lee et al. 2024, SqueezeAILab/LLM2LLM",
    ),
    "learnable": _spec(
        "mean NLL(y | x) now, less the same after a short training on rows of the other half",
        "high",
        "answer",
        "training",
        cost="two forward passes, and two short trainings for all rows together",
        source="ours, after RHO-LOSS (Mindermann et al. 2022); see `learnable`",
    ),
}
