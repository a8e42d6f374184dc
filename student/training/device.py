"""Where a training computes, and what it draws random numbers from; both are the process's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_device(device: torch.device, seed: int) -> None:
    """Seed what a model on a device draws from; `torch.manual_seed` takes longer than a small step.

    It seeds every kind of device that there might be.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def current_device(device: torch.device) -> Iterator[None]:
    """Inside, what names no device of its own goes to this one."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


@contextmanager
def kept_random_state(device: torch.device) -> Iterator[None]:
    """Trainer seeds the generators of the process; afterwards they go on where they were."""
    plain, of_numpy = random.getstate(), np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(of_numpy)


def place_on(arguments: Any, device: torch.device) -> None:
    """Where the model lies: left alone, Trainer takes the first accelerator, or all of them."""
    arguments._n_gpu = min(1, arguments.n_gpu)
    if arguments.device != device:
        arguments.__dict__["_setup_devices"] = device  # its cached property
        arguments.distributed_state.device = device


def has_bfloat16(device: torch.device) -> bool:
    """Whether half precision can be computed in a type that needs no scaling of the loss."""
    return device.type == "cpu" or (
        device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
