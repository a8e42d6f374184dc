"""One decoding step of a batch: through transformers, or for small Llamas on a CPU written out.

Which way is right for a model (how it wants its masks, whether the lean step applies) is not
guessed from its name but tried out once, on two short prompts of different length.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metasynth.errors import RequestError
from metasynth.lm.load import LoadedLM, vocabulary_size

from .cache import SlotCache, forward, padded_prefill

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Decoder = Callable[["torch.Tensor", "torch.Tensor", SlotCache], "torch.Tensor"]
"""Tokens [rows] and their positions [rows] to the logits after them, [rows, vocabulary]."""

LEAN_PARAMETERS = 100_000_000  # above, arithmetic outweighs what Python costs


def pick_decoder(lm: LoadedLM, *, max_batch: int) -> tuple[Decoder, int]:
    """The fastest way to run `lm` that gives its own numbers, and how many rows it may have.

    Raises:
        RequestError: The model keeps no standard keys and values.
    """
    for decoder in _candidates(lm):
        if all(_agrees(lm, decoder, rows=rows) for rows in {1, min(2, max_batch)}):
            return decoder, max_batch
    plain = _through_transformers(lm, four_dimensional=False)
    if max_batch > 1 and _agrees(lm, plain, rows=1):
        logger.warning(
            "%s gives other numbers in a padded batch: its calls run one by one", lm.name
        )
        return plain, 1
    raise RequestError(
        f"model {lm.name!r} cannot be decoded step by step with a key-value cache",
        hint="take a decoder-only transformer such as Llama, Qwen, Gemma or GPT-2",
        code="no_cache",
    )


def _candidates(lm: LoadedLM) -> list[Decoder]:
    decoders = [_through_transformers(lm, four_dimensional=four) for four in (True, False)]
    if _is_sliding(lm):  # a mask of ours would let a layer see beyond its window
        decoders = decoders[1:]
    return [LeanLlama(lm), *decoders] if LeanLlama.fits(lm) else decoders


def _is_sliding(lm: LoadedLM) -> bool:
    config = lm.model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return kinds != {"full_attention"} or bool(getattr(config, "sliding_window", None))


def _through_transformers(lm: LoadedLM, *, four_dimensional: bool) -> Decoder:
    """The model's own forward pass; a ready mask of four dimensions spares it building one."""

    def decode(ids: "torch.Tensor", positions: "torch.Tensor", cache: SlotCache) -> "torch.Tensor":
        mask = cache.additive_mask() if four_dimensional else cache.padding_mask()
        return forward(lm, ids[:, None], positions[:, None], mask, cache.as_transformers_cache())

    return decode


def _agrees(lm: LoadedLM, decoder: Decoder, *, rows: int) -> bool:
    """Whether a padded batch of prompts gives what the model gives for each prompt alone."""
    import torch

    vocabulary = vocabulary_size(lm)
    tokens: list[int] = [(7 * place + 3) % vocabulary for place in range(11)]
    prompts = [tokens[:9], tokens[4:9]][:rows]
    try:
        with torch.inference_mode():
            cache = SlotCache(rows)
            cache.insert(padded_prefill(lm, prompts)[1], [len(prompt) for prompt in prompts])
            cache.prepare_step()
            following = torch.tensor([tokens[9 + row] for row in range(rows)], device=lm.device)
            positions = torch.tensor([len(prompt) for prompt in prompts], device=lm.device)
            found = decoder(following, positions, cache)
            for row, prompt in enumerate(prompts):
                ids = torch.tensor([[*prompt, tokens[9 + row]]], device=lm.device)
                alone = lm.model(input_ids=ids).logits[0, -1].float()
                tolerance = 1e-3 if alone.dtype == lm.model.dtype else 0.05
                if not bool((found[row] - alone).abs().max() <= tolerance * alone.abs().max()):
                    return False
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        logger.debug("%s does not run this way: %s", lm.name, error)
        return False
    return True


class LeanLlama:
    """The decoding step of a Llama written out: a third of the operations, no modules.

    For a model of some million parameters most of the time of a step through transformers goes into
    Python. The weights are copied, with the projections that read the same input fused into one.
    """

    def __init__(self, lm: LoadedLM) -> None:
        import torch

        model: Any = lm.model
        config = model.config
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_size: int = model.model.layers[0].self_attn.head_dim
        self.width: int = config.hidden_size
        self.eps: float = config.rms_norm_eps
        self.embedding = model.model.embed_tokens.weight.detach()
        self.head = model.lm_head.weight.detach()
        self.norm = model.model.norm.weight.detach()
        self.layers = [_LeanLayer(layer) for layer in model.model.layers]
        positions = torch.arange(lm.context_length)[None]
        cos, sin = model.model.rotary_emb(self.embedding[:1], positions)
        half = self.head_size // 2
        self.cos = cos[0]  # [context, head size]
        self.sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)

    @staticmethod
    def fits(lm: LoadedLM) -> bool:
        """Whether this step computes what the model computes."""
        import torch
        from transformers import LlamaForCausalLM

        config = lm.model.config
        return (
            type(lm.model) is LlamaForCausalLM
            and lm.device.type == "cpu"
            and lm.model.dtype == torch.float32
            and config.rope_parameters.get("rope_type") == "default"
            and config.hidden_act == "silu"
            and not (config.attention_bias or config.mlp_bias)
            and lm.model.num_parameters() <= LEAN_PARAMETERS
        )

    def __call__(
        self, ids: "torch.Tensor", positions: "torch.Tensor", cache: SlotCache
    ) -> "torch.Tensor":
        """Run one step; see `Decoder`."""
        import torch.nn.functional as F  # noqa: N812

        size = (self.width,)
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        mask = cache.additive_mask()
        hidden = self.embedding[ids]  # [rows, width]
        for index, layer in enumerate(self.layers):
            normed = F.rms_norm(hidden, size, layer.input_norm, self.eps)
            attended = self._attend(index, F.linear(normed, layer.qkv), cos, sin, mask, cache)
            hidden = hidden.addmm(attended, layer.out)
            normed = F.rms_norm(hidden, size, layer.post_norm, self.eps)
            gate, up = F.linear(normed, layer.gate_up).chunk(2, -1)
            hidden = hidden.addmm(F.silu(gate).mul_(up), layer.down)
        return F.linear(F.rms_norm(hidden, size, self.norm, self.eps), self.head)

    def _attend(
        self,
        index: int,
        qkv: "torch.Tensor",
        cos: "torch.Tensor",
        sin: "torch.Tensor",
        mask: "torch.Tensor | None",
        cache: SlotCache,
    ) -> "torch.Tensor":
        import torch.nn.functional as F  # noqa: N812

        rows = qkv.shape[0]
        split = self.heads + self.kv_heads
        states = qkv.view(rows, split + self.kv_heads, self.head_size)
        turned = states[:, :split]
        turned = (turned * cos).addcmul_(turned.roll(self.head_size // 2, -1), sin)
        keys, values = cache.append(index, turned[:, self.heads :, None], states[:, split:, None])
        # the queries that share a key head stand where a longer query would: no repetition of keys
        queries = turned[:, : self.heads].reshape(rows, self.kv_heads, -1, self.head_size)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask).reshape(
            rows, -1
        )


class _LeanLayer:
    """The weights of one layer, fused and laid out for `LeanLlama`."""

    def __init__(self, layer: Any) -> None:
        import torch

        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = torch.cat([one.weight.detach() for one in projections])
        self.out = attention.o_proj.weight.detach().t().contiguous()
        self.gate_up = torch.cat([mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()])
        self.down = mlp.down_proj.weight.detach().t().contiguous()
        self.input_norm = layer.input_layernorm.weight.detach()
        self.post_norm = layer.post_attention_layernorm.weight.detach()
