"""What a round's student is trained on, and for how many steps: the same in every arm."""

import math

from metasynth.config.active import ActiveConfig
from metasynth.config.student import StudentConfig


def trained_rounds(config: StudentConfig, number: int) -> range:
    """The rounds whose rows the student of round `number` is trained on."""
    first = 1 if config.data == "cumulative" else number - config.last_rounds + 1
    return range(max(1, first), number + 1)


def training_of(config: StudentConfig, settings: ActiveConfig, number: int) -> StudentConfig:
    """The settings of round `number`'s training, with its steps.

    Steps follow the rows that were asked for, not those that were admitted, so that arms whose
    teacher fails more often do not learn for a shorter time. The one round of the arm static takes
    as many steps as the last student of the other arms has behind it.
    """
    last = settings.rounds
    if settings.arm != "static":
        steps = _steps(config, settings, number)
    elif config.start == "base":
        steps = _steps(config, settings, last)
    else:
        steps = sum(_steps(config, settings, one) for one in range(1, last + 1))
    return config.model_copy(update={"steps": steps})


def _steps(config: StudentConfig, settings: ActiveConfig, number: int) -> int:
    """Of a training after round `number` in an arm with rounds."""
    if config.steps is not None:
        return config.steps
    rows = settings.rows_per_round * len(trained_rounds(config, number))
    return max(1, math.ceil(config.epochs * rows / config.batch_size))
