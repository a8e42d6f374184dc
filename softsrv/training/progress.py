"""How far a training is, told to whoever wants to know (and to stop it)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

Phase = Literal["encoding", "search", "training", "evaluation"]


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        done: Optimiser steps taken, those of the search for a learning rate included.
        total: Steps that are planned; early stopping may end sooner.
        learning_rate: Of the trial or the training; None before there is one.
        train_nll: Of the last step's batch, in nats a token.
        held_out_nll: Of the last evaluation.
        texts: Whose context vectors are known.
    """

    phase: Phase
    done: int
    total: int
    learning_rate: float | None = None
    train_nll: float | None = None
    held_out_nll: float | None = None
    texts: int = 0

    def __str__(self) -> str:
        if self.phase == "encoding":
            return f"encoding contexts, {self.texts} texts"
        parts = [f"{self.phase}, step {self.done} of {self.total}"]
        if self.train_nll is not None:
            parts.append(f"loss {self.train_nll:.3f}")
        if self.held_out_nll is not None:
            parts.append(f"held out {self.held_out_nll:.3f}")
        return ", ".join(parts)


Report = Callable[[TrainingProgress], None]


class Teller:
    """Tells after every step and every batch of an evaluation, and passes on what is raised."""

    def __init__(self, report: Report | None, *, total: int) -> None:
        self._report = report or (lambda _: None)
        self.now = TrainingProgress("encoding", 0, total)

    def tell(self, phase: Phase, **changes: Any) -> None:
        """Tell of what has changed."""
        self.now = replace(self.now, phase=phase, **changes)
        self._report(self.now)
