"""`softsrv train --dry-run`: what a training would take, before any weight is loaded."""

import os
from dataclasses import replace
from typing import Any

from metasynth.cli.screen.terminal import tell
from metasynth.config.softsrv import SoftSRVConfig
from metasynth.lm.sizes import read_model_sizes
from metasynth.lm.weights import shown_name, weights_source
from metasynth.softsrv.estimate import estimate_run
from metasynth.softsrv.target import read_target

_GIGABYTE = 10**9
_TOKEN_BYTES = 4


def print_estimate(settings: SoftSRVConfig, *, gigabytes: float | None) -> None:
    """Parameters, memory and FLOPs, for the longest row of the target that would be trained on.

    Args:
        gigabytes: Of the device that it is to fit; None: of this machine's.
    """
    config = settings.backbone
    source = weights_source(config.model)
    sizes = read_model_sizes(
        source, revision=config.revision, trust_remote_code=config.trust_remote_code
    )
    sizes = replace(sizes, name=shown_name(config.model))
    limit = settings.training.max_tokens
    if settings.target is None:
        tell(f"no target is given: rows are taken to have {limit} tokens (training.max_tokens)")
        longest = limit
    else:
        lengths = _lengths(settings, source, vocabulary=sizes.vocabulary)
        longest = max((length for length in lengths if length <= limit), default=limit)
        tell(
            f"target              {len(lengths)} rows of {sum(lengths) / len(lengths):.0f} tokens "
            f"on average; what follows is for rows of {longest}, the longest that would be used"
        )
    estimate = estimate_run(settings, sizes, row_tokens=longest)
    for line in estimate.lines(gigabytes=gigabytes or round(_memory(config.device), 1)):
        tell(line)


def _lengths(settings: SoftSRVConfig, source: str, *, vocabulary: int) -> list[int]:
    """The length of each row of the target in the backbone's tokens, its end included."""
    from transformers import AutoTokenizer

    assert settings.target is not None
    rows = read_target(settings.target).rows
    config = settings.backbone
    tokenizer: Any = AutoTokenizer.from_pretrained(
        source, revision=config.revision, trust_remote_code=config.trust_remote_code
    )
    if len(tokenizer) < vocabulary / 2:  # transformers makes an empty one where files are missing
        tell(f"no tokenizer in {source}: a token is taken to have {_TOKEN_BYTES} bytes")
        return [len(row.text.encode("utf-8", "replace")) // _TOKEN_BYTES + 2 for row in rows]
    found = tokenizer(
        [row.text for row in rows],
        add_special_tokens=False,
        split_special_tokens=True,
        verbose=False,
    )
    return [len(ids) + 1 for ids in found["input_ids"]]


def _memory(device: str) -> float:
    """Gigabytes of the device that would be used."""
    import torch

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        number = torch.device(device if device != "auto" else "cuda").index or 0
        return float(torch.cuda.get_device_properties(number).total_memory) / _GIGABYTE
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIGABYTE
