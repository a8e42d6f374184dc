"""Strategies of selection: what one is given, and how one is added by its name.

# my_parts/shortest_id.py, `strategy: shortest_id` in a run file
from metasynth.student.selection.strategy import SelectionTask, strategy

@strategy()
def choose(task: SelectionTask) -> list[int]:
    rows = sorted(range(len(task.pool)), key=lambda row: len(task.pool.ids[row]))
    return task.allowance.take_open(rows, task.count)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from metasynth.config.student import SelectionConfig
from metasynth.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .allowance import Allowance
    from .gradients import GradientEmbeddings
    from .pool import SelectionPool

Need = Literal["scores", "embeddings", "gradients"]
"""What a strategy has to know of every row: of `SelectionPool`, the attribute."""


@dataclass(frozen=True, eq=False)
class SelectionTask:
    """What a strategy chooses from: a pool, or one cluster of it.

    Attributes:
        pool: The rows, ascending by id; their scores are turned so that high is wanted.
        count: How many rows are wanted, 1 or more; the allowance has room for them.
        config: The section of the run file.
        allowance: Which rows are open; a strategy takes its rows from it.
        taken: Embeddings [K, d] of what was chosen before, to keep away from.
        taken_gradients: Gradients of the same.
        seed: Decides every draw; not the same for two clusters.
    """

    pool: "SelectionPool"
    count: int
    config: SelectionConfig
    allowance: "Allowance"
    taken: "NDArray[np.floating[Any]] | None"
    taken_gradients: "GradientEmbeddings | None"
    seed: int

    @cached_property
    def rng(self) -> "np.random.Generator":
        """Draws that follow from `seed`."""
        import numpy as np

        return np.random.default_rng(self.seed)

    @property
    def scores(self) -> "NDArray[np.float64]":
        """Scores [N], finite, high is wanted; for strategies that need them."""
        assert self.pool.scores is not None, "the strategy does not say that it needs scores"
        return self.pool.scores

    @property
    def embeddings(self) -> "NDArray[np.floating[Any]]":
        """Embeddings [N, d], finite; for strategies that need them."""
        assert self.pool.embeddings is not None, "the strategy does not say it needs embeddings"
        return self.pool.embeddings

    @property
    def gradients(self) -> "GradientEmbeddings":
        """Gradients of N rows; for strategies that need them."""
        assert self.pool.gradients is not None, "the strategy does not say that it needs gradients"
        return self.pool.gradients


Choose = Callable[[SelectionTask], list[int]]


@dataclass(frozen=True)
class Strategy:
    """A strategy of selection.

    Attributes:
        choose: Numbers of `count` rows of the task's pool, in the order of their choice.
        needs: What has to be known of every row. One that needs nothing, as `random`, is given a
            pool that nobody scored.
    """

    choose: Choose
    needs: frozenset[Need]

    @property
    def made_by(self) -> Choose:
        """The function that was decorated."""
        return self.choose


STRATEGIES: Registry[Strategy] = Registry(
    "strategy", "metasynth.student.selection.strategies", title="selection strategy"
)


def strategy(
    *, needs: Need | Iterable[Need] = (), name: str | None = None
) -> Callable[[Choose], Choose]:
    """Make a function a strategy, called by its file's name.

    Args:
        needs: See `Strategy`.
        name: Another name than the file's, as in a notebook.

    Raises:
        RequestError: There is one of this name (code `taken_part`).
    """

    def add(choose: Choose) -> Choose:
        wanted = frozenset({needs} if isinstance(needs, str) else needs)
        STRATEGIES.add(Strategy(choose, wanted), module=choose.__module__, name=name)
        return choose

    return add
