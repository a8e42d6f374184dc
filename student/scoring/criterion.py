"""Criteria of a student's scores: what each says of itself, and how one is added by its name.

A score is oriented: high is hard, uncertain or worth learning, whatever the criterion. Where the
criterion's own value says so with a low number, the score is its negative; the value itself stands
in a score's details. "Own answer" is what the student decodes to the prompt itself: greedily unless
told otherwise, which under-states its uncertainty (arXiv 2512.00884 leaves the decode open).

    # my_parts/worst_token.py, `criterion: worst_token` or `--criterion worst_token`
    from metasynth.student.scoring.criterion import criterion

    @criterion("max_j -log p_j(y_j)", hard="high", needs="answer", statistics="loss", source="ours")
    def worst_token(loss):
        return float(loss.max())

What a criterion looks at decides its form:

- numbers of each token of an answer: a function of tensors, as above (`statistics`);
- the row alone: a function of the row and the seed (no `statistics`);
- all else: a class, a `Measure` (see `measures`, `answers`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from metasynth.errors import RequestError
from metasynth.registry import Registry

if TYPE_CHECKING:
    from .measures import Measure, ScoringTask
    from .token_statistics import Statistic

Need = Literal[
    "answer",  # the row's own, or a text
    "own answer",  # which the student decodes to the prompt
    "prompt",  # and the answer to it
    "judge",
    "reward model",
    "checker",
    "training",  # all rows, which are gone through before any of them is scored
]
"""What a row or the caller has to bring."""

KESSLER = "Kessler et al., arXiv 2512.00884"
UNCERTAINTY_SAMPLING = "uncertainty sampling, as in the code of JordanAsh/badge"
BHATT = "Bhatt et al. 2024, arXiv 2401.06692"

_Made = TypeVar("_Made", bound=Callable[..., Any])


class Value(NamedTuple):
    """A criterion's value, with what else is worth knowing."""

    value: float
    detail: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Criterion:
    """One criterion.

    Attributes:
        formula: Its value; y is the given answer of T tokens, ŷ the student's own.
        hard: Which of its values mean hard; the score of "low" ones is the negated value.
        needs: What a row or the caller has to bring.
        cost: What a row costs: forward passes of the student, calls of others.
        source: Where it comes from.
        statistics: What the function gets of the tokens of an answer, a tensor [T] of each.
        on_texts: Whether a row that is a text alone, which has no own answer, is measured along
            itself.
        made_by: The function or class that was decorated.
    """

    formula: str
    hard: Literal["high", "low"]
    needs: frozenset[Need]
    cost: str
    source: str
    statistics: "tuple[str | Statistic, ...]"
    on_texts: bool
    made_by: Callable[..., Any]

    def score(self, value: float) -> float:
        """The criterion's value as a score: high is hard."""
        return value if self.hard == "high" else 0.0 - value

    @property
    def needs_question(self) -> bool:
        """Whether it says nothing of documents, which answer no question."""
        return bool(self.needs & {"own answer", "prompt"})

    @property
    def needs_pool(self) -> bool:
        """Whether it cannot score rows that come few at a time, as candidates of a run do."""
        return "training" in self.needs

    def measure(self, task: "ScoringTask") -> "Measure[Any]":
        """What computes it; the slow libraries come with that."""
        if isinstance(self.made_by, type):
            measure: Measure[Any] = self.made_by(task)
            return measure
        from .token_measures import GivenAnswerTokens, OwnAnswerTokens, RowMeasure

        if not self.statistics:
            return RowMeasure(task)
        return OwnAnswerTokens(task) if "own answer" in self.needs else GivenAnswerTokens(task)


def _unread(keywords: Mapping[str, Any]) -> Criterion:
    """What a criterion needs, by its decorator alone."""
    needs: Need | Iterable[Need] = keywords.get("needs", ())
    return Criterion(
        formula="",
        hard=keywords.get("hard", "high"),
        needs=frozenset({needs} if isinstance(needs, str) else needs),
        cost="",
        source="",
        statistics=(),
        on_texts=keywords.get("on_texts", True),
        made_by=_unread,
    )


CRITERIA: Registry[Criterion] = Registry(
    "criterion", "metasynth.student.scoring.criteria", unread=_unread
)


def criterion(
    formula: str,
    *,
    hard: Literal["high", "low"],
    needs: Need | Iterable[Need] = (),
    cost: str = "",
    source: str = "",
    statistics: "str | Statistic | Iterable[str | Statistic]" = (),
    on_texts: bool = True,
    name: str | None = None,
) -> Callable[[_Made], _Made]:
    """Make a function or a `Measure` a criterion, called by its file's name.

    Args:
        formula: See `Criterion`, and so on.
        cost: "": of a function, the passes that its statistics take.
        statistics: Names of `token_statistics.STATISTICS`, or functions of the places of a forward
            pass; all are taken in one pass. The function gets a float64 tensor [T] of each in turn
            and returns a number, or a `Value`. Without statistics it gets the row and the seed.
        name: Another name than the file's, as in a notebook.

    Raises:
        RequestError: There is one of this name (code `taken_part`), or statistics are asked for of
            no answer (code `bad_part`).
    """
    wanted = frozenset({needs} if isinstance(needs, str) else needs)
    taken = (
        (statistics,) if isinstance(statistics, str) or callable(statistics) else tuple(statistics)
    )
    if taken and not wanted & {"answer", "own answer"}:
        raise RequestError(
            "a criterion of statistics needs the tokens of an 'answer' or of the 'own answer'",
            code="bad_part",
        )
    passes = "a decode and a forward pass" if "own answer" in wanted else "a forward pass"

    def add(made: _Made) -> _Made:
        part = Criterion(
            formula=formula,
            hard=hard,
            needs=wanted,
            cost=cost or (passes if taken else "nothing"),
            source=source,
            statistics=taken,
            on_texts=on_texts,
            made_by=made,
        )
        CRITERIA.add(part, module=made.__module__, name=name)
        return made

    return add
