"""What of a student is trained, and how that is kept: an adapter beside it, or all its weights.

LoRA: Hu et al., arXiv 2106.09685; the adapter is put into the model that is there, without a second
copy of its weights, and taken out again. Full fine-tuning works on a copy in float32.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from metasynth.config.student import StudentConfig
from metasynth.errors import RequestError
from metasynth.lm.load import LoadedLM, quiet_transformers, wrap_lm
from metasynth.loading_lock import ONE_AT_A_TIME
from metasynth.randomness import derive_seed

from .device import seed_device

ADAPTER = "adapter_model.safetensors"
_HALF = (torch.float16, torch.bfloat16)

logger = logging.getLogger(__name__)


@contextmanager
def trainable(lm: LoadedLM, config: StudentConfig, *, seed: int) -> Iterator[Any]:
    """A model whose parameters with a gradient are what is trained, all of them in float32.

    Afterwards `lm` is as it was; meanwhile, with LoRA, it must not be used.

    Raises:
        RequestError: The model has no such layers as `lora_targets` names.
    """
    if config.adapt == "full":
        yield _prepared(_full_copy(lm), config)
        return
    model: Any = lm.model
    use_cache = getattr(model.config, "use_cache", None)
    adapted = _with_adapter(lm, config, seed=seed)
    try:
        yield _prepared(adapted, config)
    finally:
        adapted.unload()
        if config.gradient_checkpointing:
            model.activation_checkpointing_disable()
        if use_cache is not None:
            model.config.use_cache = use_cache
        model.eval().requires_grad_(False)


def save_adapted(lm: LoadedLM, model: Any, folder: Path) -> None:
    """Write what was trained, with the tokenizer, as peft or transformers reads it."""
    if isinstance(model, peft.PeftModel):
        found = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
        plain = {name: value.detach().cpu().contiguous() for name, value in found.items()}
        save_file(plain, folder / ADAPTER, metadata={"format": "pt"})
        told: Any = copy.copy(model.peft_config["default"])
        told.base_model_name_or_path = lm.name
        told.target_modules = sorted(told.target_modules)  # a set has another order in each process
        told.inference_mode = True
        told.save_pretrained(folder)
    else:
        with quiet_transformers():
            model.to(lm.model.dtype).save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)


def load_adapted(base: LoadedLM, folder: Path, *, in_place: bool) -> LoadedLM:
    """The base with what `folder` holds."""
    if not (folder / ADAPTER).is_file():
        kind: Any = type(base.model)
        with quiet_transformers():
            trained = kind.from_pretrained(
                folder, dtype=base.model.dtype, use_safetensors=True, local_files_only=True
            )
        trained.to(base.device)
    else:
        model = base.model if in_place else copy.deepcopy(base.model)
        with ONE_AT_A_TIME, _without_deprecations():
            adapted = peft.PeftModel.from_pretrained(model, str(folder))
        trained = adapted.merge_and_unload()
    return replace(base, model=wrap_lm(trained, base.tokenizer, name=base.name).model)


def _full_copy(lm: LoadedLM) -> Any:
    model: Any = copy.deepcopy(lm.model)
    if model.dtype in _HALF:
        model.float()
    return model.requires_grad_(True)


def _with_adapter(lm: LoadedLM, config: StudentConfig, *, seed: int) -> Any:
    model: Any = lm.model
    settings = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets) or "all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    seed_device(lm.device, derive_seed(seed, "training", "adapter"))
    try:
        with _without_deprecations():
            return peft.get_peft_model(model, settings)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(
            f"model {lm.name!r}: no adapter can be put into it ({reason})",
            hint="name its linear layers in student.lora_targets, or take adapt: full",
            code="no_adapter",
        ) from error


def _prepared(model: Any, config: StudentConfig) -> Any:
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable()
    return model


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Without peft's use of an old name of transformers, which is none of the user's business."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        yield
