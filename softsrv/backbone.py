"""The frozen language model that a soft prompt steers: it embeds, and it says what a text costs.

P_θ(z) stands where the embedding layer's output would stand, so the one thing everything rests on
is that a model takes `inputs_embeds` as its embedding module gives them. Gemma and Gemma-2 scaled
them once more in transformers up to 5.3; so this is tried out on the model, not assumed.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
import transformers
from torch import Tensor

from metasynth.errors import RequestError
from metasynth.lm.fingerprint import model_fingerprint
from metasynth.lm.load import LoadedLM, vocabulary_size

from .token_costs import OutputLayer, agree

_SCANNED = 16_384  # embeddings that are looked at for their spread
_RANDOM = re.compile(r"drop|jitter")


class Backbone:
    """A causal language model, frozen: no weight of it ever changes or holds a gradient.

    Its dropouts are set to zero, because gradient checkpointing needs the model in training mode.

    Attributes:
        width: d, the length of an embedding.
        context_length: Soft tokens and text together, in tokens.
        end_id: What is appended to a text, so that generations end (the paper names no end).
        bos_id: The token that a text begins with, if the tokenizer has one.
        text_prefix: What stands before every text, from `text_prefix` in the model's configuration:
            a blank where its answers follow a mark and a blank, so that a text's first word is the
            token that the model knows there.

    Raises:
        RequestError: The model has no end token, or does not take its own embeddings as input.
    """

    def __init__(self, lm: LoadedLM) -> None:
        self.lm = lm
        self.model: Any = lm.model
        self.model.train(False)
        self.model.requires_grad_(False)
        _without_randomness(self.model)
        self._embedding: Any = self.model.get_input_embeddings()
        self.device = lm.device
        self.dtype: torch.dtype = self.model.dtype
        self.context_length = lm.context_length
        self.end_id = _end_id(lm)
        bos = lm.tokenizer.bos_token_id
        self.bos_id: int | None = bos if isinstance(bos, int) else None
        self.text_prefix = str(getattr(self.model.config, "text_prefix", ""))
        self.width = int(self.embed(torch.zeros(1, dtype=torch.long)).shape[-1])
        self._require_plain_inputs()
        probe = torch.arange(5)[None] % vocabulary_size(lm)
        self._output = OutputLayer(self.model, self.embed(probe))

    @cached_property
    def embedding_std(self) -> float:
        """Standard deviation of the embedding module's output over the vocabulary."""
        count = vocabulary_size(self.lm)
        ids = torch.linspace(0, count - 1, min(count, _SCANNED), dtype=torch.float64).long()
        return float(self.embed(ids).float().std())

    @cached_property
    def fingerprint(self) -> str:
        """Names the weights; see `model_fingerprint`."""
        return model_fingerprint(self.model)

    @cached_property
    def convention(self) -> dict[str, str]:
        """How this model takes its embeddings: what a soft prompt must agree with."""
        ids = torch.arange(min(64, vocabulary_size(self.lm)), device=self.device)
        raw, seen = self._embedding.weight[ids].float(), self.embed(ids).float()
        scale = float((seen * raw).sum() / (raw * raw).sum().clamp_min(1e-30))
        return {
            "transformers": transformers.__version__,
            "model_class": type(self.model).__name__,
            "inputs_embeds": "output of the embedding module",
            "embedding_scale": f"{scale:.4g}",
        }

    def embed(self, ids: Tensor) -> Tensor:
        """The embeddings [..., d] of tokens [...], as the model sees them.

        The module is called: in Gemma it scales, and raw rows of its weight are not what is fed.
        """
        with torch.no_grad():
            return self._embedding(ids.to(self.device))  # type: ignore[no-any-return]

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text behind the model's `text_prefix`, with the end token.

        What looks like a special token in a text is text: an end inside a row would teach to stop.
        """
        if not texts:
            return []
        # A lone half of a surrogate pair, which JSON can carry, stops the tokenizer.
        prefix = self.text_prefix
        clean = [prefix + text.encode("utf-8", "replace").decode() for text in texts]
        found: Any = self.lm.tokenizer(
            clean, add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return [[*ids, self.end_id] for ids in found["input_ids"]]

    def token_losses(self, prompts: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Teacher-forced cost of each token given the soft prompt and the tokens before it.

        Gradients reach `prompts` alone. Causal attention makes padding at the right invisible, so
        no mask is needed; logits are computed only where a token is predicted.

        Args:
            prompts: P_θ(z) [B, t, d], any float dtype.
            ids: Tokens [B, L], padded at the right with anything.
            lengths: How many of each row count [B].

        Returns:
            Negative log-likelihood in nats [B, L], float32, 0 beyond a row's length. The first
            token is predicted at position t-1.

        Raises:
            RequestError: Soft tokens and text are longer than the model's context.
        """
        soft, rows = prompts.shape[1], ids.shape[0]
        if soft + ids.shape[1] > self.context_length:
            raise RequestError(
                f"{soft} soft tokens and {ids.shape[1]} of a text do not fit model "
                f"{self.lm.name!r}, which reads {self.context_length}",
                hint="lower prompt.tokens or training.max_tokens",
                code="context_limit",
            )
        counted = torch.arange(ids.shape[1], device=lengths.device) < lengths[:, None]  # [B, L]
        row, place = counted.nonzero(as_tuple=True)  # [n] each: where a target is
        row, place = row.to(self.device), place.to(self.device)
        ids = ids.to(self.device)
        embeddings = torch.cat([prompts.to(self.device, self.dtype), self.embed(ids)], dim=1)
        costs = self._output.costs(embeddings, row, place + (soft - 1), ids[row, place])  # [n]
        losses = torch.zeros(rows, ids.shape[1], device=self.device)
        return losses.index_put((row, place), costs)

    @contextmanager
    def gradient_checkpointing(self, *, enabled: bool = True) -> Iterator[None]:
        """Inside, a backward pass computes activations again instead of keeping them.

        Raises:
            RequestError: The model cannot.
        """
        if not enabled:
            yield
            return
        try:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        except (ValueError, AttributeError) as error:
            raise RequestError(
                f"model {self.lm.name!r} does not support gradient checkpointing",
                hint="set training.gradient_checkpointing: false",
                code="no_gradient_checkpointing",
            ) from error
        # what transformers switches on with it, and not off: here P_θ(z) alone needs gradients
        self.model.disable_input_require_grads()
        self.model.train()  # eval mode would keep everything
        try:
            yield
        finally:
            self.model.activation_checkpointing_disable()
            self.model.eval()

    def _require_plain_inputs(self) -> None:
        """Refuse a model whose logits are not the same from tokens and from their embeddings."""
        if self.model.get_output_embeddings() is None:
            raise self._refusal("it shows no output layer")
        vocabulary = vocabulary_size(self.lm)
        for start, length in ((3, 7), (11, 4)):
            ids = torch.tensor([[(start + 7 * place) % vocabulary for place in range(length)]])
            try:
                with torch.no_grad():
                    plain = self.model(input_ids=ids.to(self.device), use_cache=False).logits
                    found = self.model(inputs_embeds=self.embed(ids), use_cache=False).logits
            except (TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
                reason = " ".join(str(error).split())[:200]
                raise self._refusal(f"it does not run on embeddings ({reason})") from error
            if not agree(found, plain):
                raise self._refusal("its logits differ between tokens and their embeddings")

    def _refusal(self, reason: str) -> RequestError:
        return RequestError(
            f"model {self.lm.name!r} ({type(self.model).__name__}, transformers "
            f"{transformers.__version__}) cannot be steered by a soft prompt: {reason}",
            hint="take a Llama, Qwen, Gemma or GPT-2, and transformers 5.4 or newer",
            code="not_steerable",
        )


def _end_id(lm: LoadedLM) -> int:
    end = lm.tokenizer.eos_token_id
    if isinstance(end, int):
        return end
    if lm.end_token_ids:
        return min(lm.end_token_ids)
    raise RequestError(
        f"model {lm.name!r} has no end token, so what it generates would never stop",
        hint="give its tokenizer an eos_token",
        code="no_end_token",
    )


def _without_randomness(model: Any) -> None:
    """Dropouts, layer drops and router noise to zero: the model is the same in training mode."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and _RANDOM.search(name):
                setattr(module, name, 0.0)
