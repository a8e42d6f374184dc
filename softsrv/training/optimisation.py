"""The steps that train θ: teacher-forced loss, Adam in float32, warm-up, clipping, accumulation.

Equation (1) of the paper (arXiv 2410.16534) is a likelihood: Σ_i ℓ(H(P_θ(E(x_i))), x_i), the cost
of x given the soft prompt. The text speaks of sampling x' and differentiating ℓ(x, x'), which
cannot be done. Betas, schedule, clipping and batch size are not stated there.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from metasynth.config.softsrv import TrainingConfig
from metasynth.errors import MetaSynthError
from metasynth.randomness import derive_seed
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.soft_prompt import SoftPrompt

from .batches import BatchPlan, TokenRows


class NotANumberError(Exception):
    """Loss or gradient of a step is infinite or no number; θ is as it was before the step."""

    def __init__(self, step: int) -> None:
        super().__init__(f"loss or gradient of step {step} is not a finite number")
        self.step = step


@dataclass(frozen=True)
class StepCost:
    """What a step's batch cost before the step was taken.

    Attributes:
        nats: Negative log-likelihood of all target tokens.
        targets: Tokens that were predicted.
        positions: Soft tokens and text tokens that went through the model, without padding.
    """

    nats: float
    targets: int
    positions: int


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the steps: a linear warm-up, then a cosine down to 0 or a constant."""

    learning_rate: float
    steps: int
    warmup: int
    is_cosine: bool

    def at(self, step: int) -> float:
        """The learning rate of step number `step`, from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if not self.is_cosine:
            return self.learning_rate
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What every step draws on, the same for all candidates of a search.

    Attributes:
        evaluated: The held-out rows that are looked at while training.
    """

    backbone: Backbone
    encoder: ContextEncoder
    train: TokenRows
    held_out: TokenRows
    evaluated: TokenRows
    seed: int


class Optimisation:
    """Trains one soft prompt, a step at a time.

    Args:
        prompt: Its parameters are changed in place.
        data: The rows, and the frozen model, which is not changed.
        config: Batch size, accumulation, clipping.
        schedule: The learning rate of each step.
    """

    def __init__(
        self, prompt: SoftPrompt, data: TrainingData, config: TrainingConfig, schedule: Schedule
    ) -> None:
        self.prompt = prompt
        self.schedule = schedule
        self._data = data
        self._config = config
        self._plan = BatchPlan(data.train.lengths, size=config.batch_size, seed=data.seed)
        self._parameters = list(prompt.parameters())
        fused = data.backbone.device.type in ("cpu", "cuda")
        self._adam = torch.optim.Adam(
            self._parameters, lr=schedule.learning_rate, fused=True if fused else None
        )
        # Every target token weighs the same however the rows fall into batches of like length.
        self._weight = 1.0 / (self._plan.size * data.train.mean_length)

    def step(self, number: int) -> StepCost:
        """Take step number `number` (from 0).

        Raises:
            NotANumberError: Loss or gradient is infinite or no number; nothing was changed.
            MetaSynthError: There is not enough memory.
        """
        rows = self._plan.rows(number)
        longest = self.prompt.tokens + max(self._data.train.lengths[row] for row in rows)
        with told_out_of_memory(-(-len(rows) // self._config.accumulate), longest):
            return self._take(number, rows)

    def _take(self, number: int, rows: list[int]) -> StepCost:
        prompts = self.prompt(self._contexts(rows, number))  # [B, t, d]
        # Cut here, the soft prompt's own arithmetic is done once however many parts there are, and
        # the model's backward pass runs on a sum of nats: in half precision no slope underflows.
        fed = prompts.detach().requires_grad_()
        nats = self._backward(fed, rows)
        assert fed.grad is not None
        torch.autograd.backward(prompts, fed.grad * self._weight)
        norm = self._clipped()
        total, size = torch.stack([nats.float(), norm.float()]).tolist()  # the one wait of a step
        if not (math.isfinite(total) and math.isfinite(size)):
            self._adam.zero_grad()
            raise NotANumberError(number)
        for group in self._adam.param_groups:
            group["lr"] = self.schedule.at(number)
        self._adam.step()
        self._adam.zero_grad()
        targets = sum(self._data.train.lengths[row] for row in rows)
        return StepCost(total, targets, targets + len(rows) * self.prompt.tokens)

    def _backward(self, fed: Tensor, rows: list[int]) -> Tensor:
        """Leave in `fed.grad` the slope of the batch's cost, and give the cost in nats."""
        train, backbone = self._data.train, self._data.backbone
        size = -(-len(rows) // self._config.accumulate)
        costs = []
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            ids, lengths = train.padded(rows[part])
            cost = backbone.token_losses(fed[part], ids, lengths).sum()
            torch.autograd.backward(cost)
            costs.append(cost.detach())
        return torch.stack(costs).sum()

    def _contexts(self, rows: list[int], step: int) -> Tensor:
        """The context vectors [B, d_e] of some rows, with the noise that the encoder asks for."""
        z = self._data.train.z[rows]
        own = torch.Generator().manual_seed(derive_seed(self._data.seed, "noise", step))
        return self._data.encoder.noisy(z, generator=own)

    def _clipped(self) -> Tensor:
        """The norm of the gradient, before it was clipped."""
        bound = math.inf if self._config.clip is None else self._config.clip
        return torch.nn.utils.clip_grad_norm_(self._parameters, bound)

    def state(self) -> dict[str, Tensor]:
        """θ and what Adam remembers of it."""
        found = {f"theta.{name}": value for name, value in self.prompt.state_dict().items()}
        for number, remembered in self._adam.state_dict()["state"].items():
            found |= {f"adam.{number}.{name}": value for name, value in remembered.items()}
        return found

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        remembered: dict[int, dict[str, Tensor]] = {}
        theta: dict[str, Tensor] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "theta":
                theta[rest] = value
            elif kind == "adam":
                number, _, name = rest.partition(".")
                remembered.setdefault(int(number), {})[name] = value
        self.prompt.load_state_dict(theta)
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": remembered, "param_groups": groups})


@contextmanager
def told_out_of_memory(rows: int, positions: int) -> Iterator[None]:
    """Turn a lack of memory into one line that says what to lower.

    Raises:
        MetaSynthError: What is done inside found too little memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(rows, positions) from error
    except RuntimeError as error:  # torch on a CPU has no class of its own for it
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        raise _out_of_memory(rows, positions) from error


def _out_of_memory(rows: int, positions: int) -> MetaSynthError:
    return MetaSynthError(
        f"not enough memory for {rows} rows of up to {positions} tokens at a time",
        hint="raise training.accumulate or set training.gradient_checkpointing: true, and it goes "
        "on; or begin anew with less training.batch_size, training.max_tokens or prompt.tokens",
        code="out_of_memory",
    )
