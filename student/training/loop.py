"""The loop of a training: transformers' Trainer over a plan of steps, from any of them.

A training that goes on is a Trainer over the steps that are left, with the weights and Adam's state
of the checkpoint; the learning rate and the random numbers of a step depend on its number alone.
So it ends with the weights of one that was not stopped.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import TrainerCallback, TrainingArguments

from metasynth.config.student import StudentConfig
from metasynth.errors import MetaSynthError
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import before_the_head
from metasynth.randomness import derive_seed

from .device import current_device, has_bfloat16, place_on, seed_device
from .folder import TrainingFolder
from .learning_rate import Schedule
from .rows import MicroBatch, Step, TokenRow

_IGNORED = -100  # what Trainer does not count as a target

AfterStep = Callable[[int, int, float], object]
"""Told the steps taken, all steps and the loss of the last; what it raises ends the training."""


class TrainingLoop:
    """Trains the parameters of `model` that have a gradient, through all steps of a plan.

    Args:
        lm: What `model` was made of.
        model: On the device of `lm`.
        after_step: Hears of every step; the state is saved before what it raises passes through.
    """

    def __init__(
        self,
        lm: LoadedLM,
        model: Any,
        plan: tuple[Sequence[TokenRow], Sequence[Step]],
        folder: TrainingFolder,
        config: StudentConfig,
        *,
        seed: int,
        after_step: AfterStep,
    ) -> None:
        self.lm = lm
        self.model = model
        self.rows, self.steps = plan
        self.folder = folder
        self.config = config
        self.seed = seed
        self.after_step = after_step
        self.schedule = Schedule(config, len(self.steps))
        self.done = 0
        self._trained = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self._optimizer = _adamw(list(self._trained.values()), self.schedule.peak, config)
        self._earlier_s = 0.0
        self._load()
        self._began = self.saved_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on the steps, over all starts."""
        return self._earlier_s + time.monotonic() - self._began

    def run(self) -> None:
        """Take the steps that are left.

        Raises:
            MetaSynthError: The loss left the numbers, or the device has not enough memory.
        """
        self.folder.begin_steps(self.done)
        left = self.steps[self.done :]
        if not left:
            return
        first = self.done
        rate = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: self.schedule.factor(first + step)
        )
        trainer = _Trainer(
            loop=self,
            model=self.model,
            args=_arguments(self, steps=len(left), parts=len(left[0])),
            data_collator=lambda parts: _collate(self.rows, parts[0]),
            train_dataset=[part for step in left for part in step],
            optimizers=(self._optimizer, rate),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(_Watch(self, trainer))
        try:
            with current_device(self.lm.device):
                trainer.train()
        except torch.OutOfMemoryError as error:
            raise MetaSynthError(
                f"model {self.lm.name!r}: {self.lm.device} has not enough memory to train on "
                f"{min(self.config.micro_batch, len(self.rows))} rows at a time",
                hint="lower student.micro_batch or max_tokens, or set gradient_checkpointing",
                code="out_of_memory",
            ) from error

    def save(self) -> None:
        """Write a checkpoint of the step that was taken last."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self._trained.items():
            tensors[f"weights.{name}"] = parameter
            # nothing, where no gradient has come yet: an expert that no token went to
            for key, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
        self.folder.save(self.done, tensors, {"seconds": round(self.seconds, 3)})
        self.saved_at = time.monotonic()

    def _load(self) -> None:
        found = self.folder.load()
        if found is None:
            return
        tensors, told = found
        self.done, self._earlier_s = told["step"], told["seconds"]
        for name, parameter in self._trained.items():
            with torch.no_grad():
                parameter.copy_(tensors[f"weights.{name}"])
            found_state = {
                key: tensors[f"{key}.{name}"].to(self._device_of(key, parameter))
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}.{name}" in tensors
            }
            if found_state:
                self._optimizer.state[parameter] = found_state

    def _device_of(self, key: str, parameter: Tensor) -> torch.device:
        """Where Adam keeps a value: the count of steps is on the CPU unless the steps are fused."""
        if key == "step" and not self._optimizer.defaults["fused"]:
            return torch.device("cpu")
        return parameter.device


class _Trainer(transformers.Trainer):
    """Trainer with the loss of the targets alone: their mean over a step, in nats."""

    loss_is_scaled_for_ga = True  # by the targets of the whole step

    def __init__(self, *, loop: TrainingLoop, **options: Any) -> None:
        super().__init__(**options)
        self._lm = loop.lm
        self.step_loss = torch.zeros((), device=loop.lm.device)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The targets' negative log-likelihood, divided by the targets of the whole step."""
        labels = inputs["labels"]
        is_target = labels != _IGNORED
        before = torch.zeros_like(is_target)
        before[:, :-1] = is_target[:, 1:]  # a token is predicted one place before it
        # logits where they count alone: a prompt's would be most of the memory and the time
        with before_the_head(replace(self._lm, model=model), lambda states: states[before][None]):
            outputs = model(input_ids=inputs["input_ids"], use_cache=False)
        logits = outputs.logits[0].float()  # [targets, vocabulary]
        nats = cross_entropy(logits, labels[is_target], reduction="sum")
        loss = nats / num_items_in_batch
        self.step_loss += loss.detach()
        return (loss, outputs) if return_outputs else loss

    def create_accelerator_and_postprocess(self) -> None:
        """As it is, but for a collection of garbage, which takes longer than many a training."""
        super().create_accelerator_and_postprocess()
        self.accelerator.free_memory = lambda *objects: list(objects)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: for a small model the count takes longer than the step."""
        del inputs
        return 0


class _Watch(TrainerCallback):
    """Seeds each step, writes it down, saves now and then, and tells of it."""

    def __init__(self, loop: TrainingLoop, trainer: _Trainer) -> None:
        self._loop = loop
        self._trainer = trainer
        self._loss = math.nan

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        # dropout draws the same after a stop
        number = derive_seed(self._loop.seed, "training", "step", self._loop.done)
        seed_device(self._loop.lm.device, number)
        self._trainer.step_loss.zero_()

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._loss = float(self._trainer.step_loss)
        if not math.isfinite(self._loss):
            raise MetaSynthError(
                f"{self._loop.folder.root}: the loss is no number at step {self._loop.done + 1}",
                hint="train into another folder with a lower learning rate",
                code="not_finite",
            )

    def on_step_end(self, *_: Any, **__: Any) -> None:
        loop = self._loop
        step = loop.steps[loop.done]
        rows = [loop.rows[row] for part in step for row in part]
        rate = loop.schedule.peak * loop.schedule.factor(loop.done)
        loop.done += 1
        loop.folder.add_step(
            {
                "step": loop.done,
                "loss": self._loss,
                "learning_rate": rate,
                "rows": len(rows),
                "targets": sum(row.targets for row in rows),
            }
        )
        ended = loop.done == len(loop.steps)
        saved = not ended and time.monotonic() - loop.saved_at >= loop.config.save_seconds
        if saved:
            loop.save()
        try:
            loop.after_step(loop.done, len(loop.steps), self._loss)
        except BaseException:
            if not saved:
                loop.save()
            raise


def _arguments(loop: TrainingLoop, *, steps: int, parts: int) -> TrainingArguments:
    device, config = loop.lm.device, loop.config
    half = loop.lm.model.dtype in (torch.float16, torch.bfloat16)
    arguments = TrainingArguments(
        output_dir=str(loop.folder.root),
        max_steps=steps,
        per_device_train_batch_size=1,  # of micro-batches
        gradient_accumulation_steps=parts,
        max_grad_norm=config.max_grad_norm,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=device.type == "cuda",
        bf16=half and has_bfloat16(device),
        use_cpu=device.type == "cpu",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    place_on(arguments, device)
    return arguments


def _adamw(parameters: list[Any], rate: float, config: StudentConfig) -> torch.optim.AdamW:
    groups = [
        {
            "params": [one for one in parameters if one.ndim >= 2],
            "weight_decay": config.weight_decay,
        },
        {"params": [one for one in parameters if one.ndim < 2], "weight_decay": 0.0},
    ]
    given = [group for group in groups if group["params"]]
    fused = parameters[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(given, lr=rate, fused=fused)


def _collate(rows: Sequence[TokenRow], part: MicroBatch) -> dict[str, Tensor]:
    """Tokens and labels, both [rows, longest]; padding stands at the right, where nothing sees it.

    A micro-batch without rows is one token that is no target.
    """
    chosen = [rows[row] for row in part]
    shape = (max(1, len(chosen)), max((len(row.ids) for row in chosen), default=1))
    ids, labels = np.zeros(shape, dtype=np.int64), np.full(shape, _IGNORED, dtype=np.int64)
    for place, row in enumerate(chosen):
        length = len(row.ids)
        ids[place, :length] = row.ids
        labels[place, row.first : length] = ids[place, row.first : length]
    return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}
