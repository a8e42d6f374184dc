"""The loop of a training: steps, evaluations, early stopping, checkpoints."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from torch import Tensor

from metasynth.config.softsrv import SoftSRVConfig
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.soft_prompt import SoftPrompt

from .checkpoints import TrainingFolder
from .curves import CurveFile, CurvePoint
from .evaluation import evaluate
from .optimisation import NotANumberError, Optimisation, Schedule, TrainingData
from .progress import Teller

SAVE_EVERY_S = 20.0  # at the latest: what a kill may cost
ALL_STEPS = "all steps were taken"


@dataclass
class TrainerState:
    """What a checkpoint holds besides tensors.

    Attributes:
        step: Steps taken.
        evaluated_at: The step of the last evaluation; -1 before the first.
        without_better: Evaluations since the best one.
        nats: Cost of the target tokens since the last evaluation; `targets` is their number.
        tokens: Positions that went through the model since the beginning.
        stopped_because: "" while it runs.
    """

    step: int = 0
    evaluated_at: int = -1
    best_step: int = 0
    best_nll: float | None = None
    without_better: int = 0
    nats: float = 0.0
    targets: int = 0
    tokens: int = 0
    seconds: float = 0.0
    stopped_because: str = ""


class Trainer:
    """Trains one soft prompt at one learning rate, from the start or from a checkpoint.

    Args:
        data: Rows, contexts and the frozen model.
        settings: `prompt`, `training` and `random_seed` are used.
        folder: Where checkpoints and curves go.
        learning_rate: The peak of the schedule.
        teller: Hears of every step; what it raises ends the loop after the state is saved.
        clock: Seconds, for the pace of saving alone.
    """

    def __init__(
        self,
        data: TrainingData,
        settings: SoftSRVConfig,
        folder: TrainingFolder,
        *,
        learning_rate: float,
        teller: Teller,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = data
        self._config = config = settings.training
        self._folder = folder
        self._teller = teller
        self._prompt = make_soft_prompt(
            settings.prompt, data.backbone, data.encoder.width, seed=settings.random_seed
        )
        is_cosine = config.schedule == "cosine"
        self._schedule = Schedule(learning_rate, config.steps, config.warmup, is_cosine)
        self._optimisation = Optimisation(self._prompt, data, config, self._schedule)
        self._best = _copied(self._prompt)
        self.state = TrainerState()
        self._load()
        self.curves = CurveFile(folder.curves, upto=self.state.evaluated_at)
        self._before = teller.now.done  # steps of the search
        self._begun = time.monotonic() - self.state.seconds
        self._clock, self._saved = clock, clock()

    def run(self) -> None:
        """Take the steps that are left.

        Raises:
            NotANumberError: The loss left the numbers; the state before that step is saved.
        """
        while not self.state.stopped_because:
            if self._is_due():
                self._evaluate()
            elif self.state.step == self._config.steps:
                self.state.stopped_because = ALL_STEPS
                self.save()
            else:
                self._step()

    def result(self) -> SoftPrompt:
        """The soft prompt as trained: the best state where `patience` is set, else the last."""
        if self._config.patience is not None:
            return self.best()
        return self._prompt

    def best(self) -> SoftPrompt:
        """The soft prompt of the lowest held-out loss."""
        self._prompt.load_state_dict(self._best)
        return self._prompt

    def save(self) -> None:
        """Write a checkpoint."""
        self._saved = self._clock()
        self.state.seconds = time.monotonic() - self._begun
        tensors = {f"best.{name}": value for name, value in self._best.items()}
        self._folder.save({**self._optimisation.state(), **tensors}, asdict(self.state))

    def _load(self) -> None:
        found = self._folder.load()
        if found is None:
            return
        tensors, state = found
        self.state = TrainerState(**state)
        self._optimisation.load_state(tensors)
        self._best = {
            name.removeprefix("best."): value.to(self._data.backbone.device)
            for name, value in tensors.items()
            if name.startswith("best.")
        }

    def _is_due(self) -> bool:
        step = self.state.step
        at = step % self._config.evaluate_every == 0 or step == self._config.steps
        return at and self.state.evaluated_at != step

    def _step(self) -> None:
        state = self.state
        try:
            cost = self._optimisation.step(state.step)
        except NotANumberError:
            self.save()
            raise
        state.step += 1
        state.nats += cost.nats
        state.targets += cost.targets
        state.tokens += cost.positions
        if state.step % self._config.save_every == 0 or self._clock() - self._saved > SAVE_EVERY_S:
            self.save()
        self._tell("training", done=self._before + state.step, train_nll=cost.nats / cost.targets)

    def _evaluate(self) -> None:
        state, config = self.state, self._config
        found = evaluate(
            self._data.backbone,
            self._prompt,
            self._data.evaluated,
            seed=self._data.seed,
            batch=config.batch_size,
            progress=partial(self._tell, "evaluation"),
        )
        values = asdict(found)
        del values["rows"]
        self.curves.append(
            CurvePoint(
                step=state.step,
                train_nll=state.nats / state.targets if state.targets else None,
                learning_rate=self._schedule.at(max(0, state.step - 1)),
                tokens=state.tokens,
                seconds=round(time.monotonic() - self._begun, 3),
                **values,
            )
        )
        state.evaluated_at, state.nats, state.targets = state.step, 0.0, 0
        self._compare(found.held_out_nll)
        self._tell("training", held_out_nll=found.held_out_nll)

    def _compare(self, nll: float) -> None:
        """Keep the state if it is the best so far; stop where too many were not."""
        state, patience = self.state, self._config.patience
        if state.best_nll is None or nll < state.best_nll:
            state.best_nll, state.best_step, state.without_better = nll, state.step, 0
            self._best = _copied(self._prompt)
            return
        state.without_better += 1
        if patience is not None and state.without_better >= patience:
            state.stopped_because = f"no better held-out loss in {patience} evaluations"
            self.save()

    def _tell(self, phase: str, **changes: float) -> None:
        try:
            self._teller.tell(phase, **changes)  # type: ignore[arg-type]
        except BaseException:
            self.save()
            raise


def _copied(prompt: SoftPrompt) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in prompt.state_dict().items()}
