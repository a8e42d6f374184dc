"""Which model this is, told from a glance at its weights.

A soft prompt or an adapter fits the weights that it was trained with and no others, and a name on a
hub or a path says little about them. Reading all weights of a large model would take longer than
using it, so a fingerprint covers the sizes, the names and shapes of all tensors and a fixed sample
of each.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_SAMPLE = 256  # values of each tensor
_SIZES = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rope_parameters",
)


def model_fingerprint(model: Any) -> str:
    """A name of 24 hexadecimal digits for a model's architecture and weights.

    Sampled values are rounded to bfloat16, so that weights have one name whether they are loaded as
    they are stored, as float32 or as bfloat16 (in float16 very small ones are lost, which may give
    another). Two models that differ in few single numbers may share a name; fine-tuning, which
    moves most of them, does not go unnoticed.
    """
    import torch

    config = model.config.get_text_config()
    sizes = {name: getattr(config, name, None) for name in _SIZES}
    named = sorted(model.named_parameters())
    shapes = [(name, list(tensor.shape)) for name, tensor in named]
    told = json.dumps([type(model).__name__, sizes, shapes], sort_keys=True, default=str)
    digest = hashlib.sha256(told.encode())
    samples = [_sample(tensor.detach()) for _, tensor in named]
    if samples:
        # one transfer from the device instead of one for each tensor
        values = torch.cat([sample.to(samples[0].device) for sample in samples])
        digest.update(values.view(torch.int16).cpu().numpy().astype("<i2").tobytes())
    return digest.hexdigest()[:24]


def _sample(tensor: "torch.Tensor") -> "torch.Tensor":
    """Values spread evenly over a tensor, the first and the last among them, as bfloat16."""
    import torch

    count = tensor.numel()
    places = torch.linspace(0, count - 1, min(count, _SAMPLE), dtype=torch.float64).long()
    return tensor.reshape(-1)[places.to(tensor.device)].to(torch.bfloat16)
