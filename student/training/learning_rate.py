"""The learning rate of a student's training, by step."""

import math

from metasynth.config.student import StudentConfig

LORA_RATE = 2e-4
FULL_RATE = 2e-5


class Schedule:
    """The learning rate by step: a linear warmup, then as `schedule` says."""

    def __init__(self, config: StudentConfig, steps: int) -> None:
        default = LORA_RATE if config.adapt == "lora" else FULL_RATE
        self.peak = config.learning_rate or default
        self._kind = config.schedule
        self._warmup = math.ceil(config.warmup * steps)
        self._steps = steps

    def factor(self, step: int) -> float:
        """The share of the peak at a step, from 0."""
        if step < self._warmup:
            return (step + 1) / self._warmup
        done = (step - self._warmup) / max(1, self._steps - self._warmup)
        match self._kind:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * done))
            case "linear":
                return 1 - done
            case "constant":
                return 1.0
