"""How large a causal language model is, from its configuration alone: no weight is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.errors import RequestError
from metasynth.loading_lock import ONE_AT_A_TIME

from .load import _locate, _told_in_one_line, quiet_transformers

if TYPE_CHECKING:
    from torch.nn import ModuleList
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class ModelSizes:
    """The sizes of a decoder-only transformer that memory and arithmetic depend on.

    Attributes:
        parameters: All of them, tied ones once.
        layer_parameters: Those in the layers, which every position passes.
        head_width: Of one attention head.
        mlp_width: What a token passes in one layer's MLP, over all experts that it is sent to.
        norms: Of the model's width, in one layer.
        is_gated: Whether the MLP multiplies two projections.
        has_head_norms: Whether queries and keys are normed.
        attends_eagerly: Whether attention weights are kept as a matrix (Gemma-2 caps them).
        attends_in_windows: Whether some layer sees the latest tokens only, which takes masks.
        caps_logits: Whether the output layer's logits are bent afterwards.
        stored_bytes: Of one weight on disk.
    """

    name: str
    parameters: int
    layer_parameters: int
    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    mlp_width: int
    norms: int = 2
    is_gated: bool = True
    has_head_norms: bool = False
    attends_eagerly: bool = False
    attends_in_windows: bool = False
    caps_logits: bool = False
    stored_bytes: int = 2


def read_model_sizes(
    path_or_id: str | Path, *, revision: str | None = None, trust_remote_code: bool = False
) -> ModelSizes:
    """The sizes of a model in a folder or on a hub; only its config.json is read.

    Raises:
        RequestError: There is no such model, it cannot be reached, or is none of decoder layers.
    """
    source, local = _locate(path_or_id)
    with quiet_transformers(), _told_in_one_line(source, trust_remote_code=trust_remote_code):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(
            source,
            revision=revision,
            trust_remote_code=trust_remote_code,
            local_files_only=local,
        )
        return model_sizes(config, name=str(path_or_id), trust_remote_code=trust_remote_code)


def model_sizes(
    config: "PreTrainedConfig", *, name: str, trust_remote_code: bool = False
) -> ModelSizes:
    """The sizes of the model that a configuration describes, built without memory for weights.

    Raises:
        RequestError: It is no decoder-only transformer.
    """
    import torch
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM.from_config
    with ONE_AT_A_TIME, torch.device("meta"):
        model: Any = build(config, trust_remote_code=trust_remote_code)
    text: Any = config.get_text_config()
    width = _number(text, "hidden_size")
    heads = _number(text, "num_attention_heads")
    layers = _layers(model, name, count=_number(text, "num_hidden_layers"))
    layer: Any = layers[0]
    mlp = getattr(text, "moe_intermediate_size", None) or getattr(text, "intermediate_size", None)
    stored = getattr(config, "dtype", None)
    return ModelSizes(
        name=name,
        parameters=model.num_parameters(),
        layer_parameters=sum(one.numel() for one in layers.parameters()),
        vocabulary=int(model.get_input_embeddings().num_embeddings),
        width=width,
        layers=len(layers),
        heads=heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_width=getattr(text, "head_dim", None) or width // heads,
        mlp_width=(mlp or 4 * width) * (getattr(text, "num_experts_per_tok", None) or 1),
        norms=sum(size == width for size in _norms(layer).values()),
        is_gated=any("gate" in part for part, _ in layer.named_modules()),
        has_head_norms=any("q_norm" in part for part in _norms(layer)),
        attends_eagerly=model.config._attn_implementation == "eager",
        attends_in_windows="sliding_attention" in (getattr(text, "layer_types", None) or ()),
        caps_logits=bool(getattr(text, "final_logit_softcapping", None)),
        stored_bytes=stored.itemsize if isinstance(stored, torch.dtype) else 4,
    )


def _number(config: Any, key: str) -> int:
    value = getattr(config, key, None)
    if not isinstance(value, int):
        raise RequestError(
            f"the configuration of a {config.model_type!r} model has no {key}",
            hint="take a decoder-only transformer such as Llama, Qwen, Gemma or GPT-2",
            code="not_a_decoder",
        )
    return value


def _layers(model: Any, name: str, *, count: int) -> "ModuleList":
    from torch.nn import ModuleList

    for module in model.modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return module
    raise RequestError(
        f"model {name!r} is no stack of {count} layers",
        hint="take a decoder-only transformer such as Llama, Qwen, Gemma or GPT-2",
        code="not_a_decoder",
    )


def _norms(layer: Any) -> dict[str, int]:
    """The normalisations of a layer and the width of each."""
    return {
        part: module.weight.numel()
        for part, module in layer.named_modules()
        if type(module).__name__.endswith("Norm") and getattr(module, "weight", None) is not None
    }
