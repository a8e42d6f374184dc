"""The formulas of the dry run: bytes and operations of one step of training a soft prompt.

Memory follows from which tensors a backward pass keeps. The backbone is frozen, so a linear layer
keeps nothing of what it reads; norms, attention and the MLP's products do.
"""

from metasynth.config.softsrv import SoftSRVConfig
from metasynth.lm.sizes import ModelSizes

from .token_costs import LOGITS_AT_ONCE

FLOAT_BYTES = 4


def rows_of_a_pass(settings: SoftSRVConfig) -> int:
    """How many rows go through the model at a time."""
    training = settings.training
    return -(-training.batch_size // training.accumulate)


def layer_bytes(model: ModelSizes, length: int, weight_bytes: int) -> int:
    """What a backward pass keeps of one layer for one position of a sequence of `length`."""
    queries, keys = model.heads * model.head_width, model.kv_heads * model.head_width
    norms = model.norms * model.width * FLOAT_BYTES  # computed in float32
    if model.has_head_norms:
        norms += (queries + keys) * FLOAT_BYTES
    if model.attends_eagerly:
        # keys and values repeated for each head; of the weights: bent, softmax in float32, cast
        cast = weight_bytes if weight_bytes != FLOAT_BYTES else 0
        attention = 3 * queries * weight_bytes
        attention += model.heads * length * (weight_bytes + FLOAT_BYTES + cast)
    elif model.attends_in_windows:  # a mask of its own, and keys and values repeated
        attention = (4 * queries + length) * weight_bytes
    else:
        attention = 2 * (queries + keys) * weight_bytes
    # both projections and what the activation makes of one; without a gate the tanh-GELU's parts
    mlp = (3 if model.is_gated else 4) * model.mlp_width * weight_bytes
    return norms + attention + mlp


def soft_prompt_bytes(
    settings: SoftSRVConfig, model: ModelSizes, rows: int, weight_bytes: int, row_tokens: int
) -> int:
    """P, its gradient, what the MLPs keep, and the input that P becomes a part of."""
    prompt = settings.prompt
    columns = rows * prompt.tokens
    hidden = 0
    if prompt.parameterisation == "mc":
        hidden = columns * prompt.hidden * (prompt.layers - 1) * 2 * FLOAT_BYTES
    fed = rows * (prompt.tokens + row_tokens) * model.width * weight_bytes
    return hidden + columns * model.width * (2 * FLOAT_BYTES + weight_bytes) + 2 * fed


def logits_bytes(model: ModelSizes, targets: int, weight_bytes: int) -> int:
    """Logits as computed and, where they are bent, once more; in float32 with softmax and slope."""
    held = min(targets * model.vocabulary, max(LOGITS_AT_ONCE, model.vocabulary))
    copies = 2 * weight_bytes + 3 * FLOAT_BYTES + (2 * weight_bytes if model.caps_logits else 0)
    return held * copies + targets * model.width * weight_bytes


def step_flops(
    settings: SoftSRVConfig, model: ModelSizes, rows: int, row_tokens: int, trained: int
) -> int:
    """Two a weight forward and two backward, for activations alone: weights have no gradient.

    The output layer sees targets only. A mixture of experts counts as if all were used.
    """
    training, length = settings.training, settings.prompt.tokens + row_tokens
    passes = 6 if training.gradient_checkpointing else 4
    scores = model.layers * length * length * model.heads * model.head_width
    frozen = passes * rows * length * model.layer_parameters
    frozen += 2 * rows * (passes + 2) * scores  # two products forward, four backward
    frozen += 4 * rows * row_tokens * model.vocabulary * model.width
    reads = 0 if settings.prompt.parameterisation == "np" else 6 * rows * trained
    return training.accumulate * (frozen + reads)
