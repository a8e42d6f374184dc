"""Which learning rate: each parameterisation is compared at its own best.

Adam moves a weight by about the learning rate a step, so the paper's 5e-6 lets an entry of a soft
prompt move by 0.1 in its 20,000 steps; in SS_MC three layers add up over all hidden units, and the
same rate moves the output much further. One rate for all variants handicaps the small ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from metasynth.config.softsrv import SoftSRVConfig
from metasynth.errors import MetaSynthError
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.parameterisation import PARAMETERISATIONS

from .checkpoints import TrainingFolder
from .evaluation import evaluate
from .optimisation import NotANumberError, Optimisation, Schedule, TrainingData
from .progress import Teller

_FURTHER = 2  # trials beyond the candidates, where the best one is the last of them
_FACTOR = 10**0.5
_AS_GOOD = 0.01  # share of the lowest loss; within it the lower rate is taken, which moves θ less
_WARMUP_SHARE = 10  # a trial warms up for a tenth of its steps


@dataclass(frozen=True)
class Trial:
    """A learning rate that was tried; `held_out_nll` is None where the loss left the numbers."""

    learning_rate: float
    held_out_nll: float | None


@dataclass(frozen=True)
class RateChoice:
    """The learning rate of a training, and the trials that it comes from, if it was not given."""

    learning_rate: float
    trials: tuple[Trial, ...] = ()


def rates_to_try(settings: SoftSRVConfig, *, embedding_std: float) -> tuple[float, ...]:
    """The candidates of the configuration, or the parameterisation's own; none without a search."""
    config = settings.training
    if config.learning_rate != "search":
        return ()
    if config.candidates:
        return config.candidates
    return PARAMETERISATIONS[settings.prompt.parameterisation].learning_rates(embedding_std)


def choose_learning_rate(
    data: TrainingData,
    settings: SoftSRVConfig,
    folder: TrainingFolder,
    *,
    teller: Teller,
) -> RateChoice:
    """The learning rate that is given, or of the candidates the one with the lowest held-out loss.

    Every candidate starts at the same soft prompt and takes the same `search_steps` batches, under
    the schedule of the training shortened to them. Where the best of our own candidates is the
    first or the last of them, the search goes on in that direction. Finished trials are kept in the
    folder.

    Raises:
        MetaSynthError: With every candidate the loss left the numbers.
    """
    config = settings.training
    if config.learning_rate != "search":
        return RateChoice(config.learning_rate)
    rates = rates_to_try(settings, embedding_std=data.backbone.embedding_std)
    trials = [Trial(**one) for one in folder.trials()]
    further = 0 if config.candidates else _FURTHER
    while (rate := _next_rate(rates, trials, further=further)) is not None:
        done = len(trials) * config.search_steps
        total = max(len(rates), len(trials) + 1) * config.search_steps + config.steps
        teller.tell("search", done=done, total=total, learning_rate=rate)
        loss = _try(data, settings, rate, teller)
        trials.append(Trial(rate, loss))
        folder.save_trials([asdict(one) for one in trials])
    done = len(trials) * config.search_steps
    teller.tell("search", done=done, total=done + config.steps)
    return RateChoice(_chosen(trials), tuple(trials))


def _try(data: TrainingData, settings: SoftSRVConfig, rate: float, teller: Teller) -> float | None:
    """The held-out loss after the trial's steps; None where a step gave no number."""
    config = settings.training
    prompt = make_soft_prompt(
        settings.prompt, data.backbone, data.encoder.width, seed=settings.random_seed
    )
    steps = config.search_steps
    warmup = min(config.warmup, steps // _WARMUP_SHARE)
    schedule = Schedule(rate, steps, warmup, config.schedule == "cosine")
    optimisation = Optimisation(prompt, data, config, schedule)
    before = teller.now.done
    try:
        for step in range(steps):
            cost = optimisation.step(step)
            teller.tell("search", done=before + step + 1, train_nll=cost.nats / cost.targets)
    except NotANumberError:
        return None
    found = evaluate(data.backbone, prompt, data.evaluated, seed=data.seed, batch=config.batch_size)
    return found.held_out_nll if math.isfinite(found.held_out_nll) else None


def _next_rate(rates: Sequence[float], trials: Sequence[Trial], *, further: int) -> float | None:
    """The rate to try after these trials; None where the best lies between two others."""
    if len(trials) < len(rates):
        return rates[len(trials)]
    losses = _losses(trials)
    if not losses or len(trials) >= len(rates) + further:
        return None
    tried = sorted(one.learning_rate for one in trials)
    best = _best(losses)
    if best == tried[-1]:
        return float(f"{best * _FACTOR:.2g}")
    return float(f"{best / _FACTOR:.2g}") if best == tried[0] else None


def _losses(trials: Sequence[Trial]) -> dict[float, float]:
    """The held-out loss of each rate that stayed within the numbers."""
    found = ((one.learning_rate, one.held_out_nll) for one in trials)
    return {rate: loss for rate, loss in found if loss is not None}


def _best(losses: Mapping[float, float]) -> float:
    """The lowest rate that is as good as any."""
    bound = min(losses.values()) * (1 + _AS_GOOD)
    return min(rate for rate, loss in losses.items() if loss <= bound)


def _chosen(trials: Sequence[Trial]) -> float:
    losses = _losses(trials)
    if not losses:
        tried = ", ".join(f"{one.learning_rate:g}" for one in trials)
        raise MetaSynthError(
            f"the loss leaves the numbers with every learning rate that was tried ({tried})",
            hint="give lower training.candidates, or another backbone.dtype",
            code="not_finite",
        )
    return _best(losses)
