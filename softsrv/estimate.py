"""What training and sampling would take, before any weight is loaded: the dry run.

Memory follows from which tensors a backward pass keeps. The backbone is frozen, so a linear layer
keeps nothing of what it reads; norms, attention and the MLP's products do. Temporaries, the
allocator's gaps and the device's own share are allowances, so take a total as good to a fifth.
"""

from dataclasses import dataclass

import torch

from metasynth.config.softsrv import BackboneConfig, EncoderConfig, SoftSRVConfig
from metasynth.errors import RequestError
from metasynth.lm.sizes import ModelSizes

from .initialisation import parameter_count
from .parameterisation import PARAMETERISATIONS
from .token_costs import LOGITS_AT_ONCE

FLOAT_BYTES = 4
_ADAM = 16  # bytes of a trained number: itself, its gradient and two averages, float32
_SENTENCE_WIDTH = 384  # of the packaged sentence embedder
_GIGABYTE = 10**9
_DEVICE = 10**9  # what a device keeps for itself and its libraries
_GAPS = 0.08  # share of the rest that lies unused between blocks


@dataclass(frozen=True)
class Estimate:
    """Bytes and floating-point operations of a training run and of sampling after it.

    Attributes:
        trained: Numbers in θ.
        weights: Bytes of the frozen model.
        optimiser: Bytes of θ, its gradient and Adam's averages.
        activations: Bytes that a backward pass through the model keeps and passes.
        checkpointed: The same with gradient checkpointing.
        soft_prompt: Bytes that a backward pass through P_θ keeps and passes.
        logits: Bytes of the logits that are held at a time, with their gradient.
        step_flops: Of one optimiser step.
        keys_and_values: Bytes for sampling at the configured batch.
        artifact: Bytes on disk, apart from context vectors and texts.
    """

    model: ModelSizes
    settings: SoftSRVConfig
    weight_bytes: int
    context_width: int
    row_tokens: int
    trained: int
    weights: int
    optimiser: int
    activations: int
    checkpointed: int
    soft_prompt: int
    logits: int
    step_flops: int
    keys_and_values: int
    artifact: int

    @property
    def total_flops(self) -> int:
        """Of the whole training, evaluations and the search for a learning rate apart."""
        return self.step_flops * self.settings.training.steps

    @property
    def sampling_bytes(self) -> int:
        """Memory for sampling."""
        return _with_allowance(self.weights + self.keys_and_values + self.artifact)

    def training_bytes(self, *, gradient_checkpointing: bool | None = None) -> int:
        """Memory for training; by default as the settings have it."""
        if gradient_checkpointing is None:
            gradient_checkpointing = self.settings.training.gradient_checkpointing
        kept = self.checkpointed if gradient_checkpointing else self.activations
        return _with_allowance(
            self.weights + self.optimiser + kept + self.soft_prompt + self.logits
        )

    def fits(self, gigabytes: float, *, gradient_checkpointing: bool | None = None) -> bool:
        """Whether training fits a device of so many gigabytes (10⁹ bytes)."""
        needed = self.training_bytes(gradient_checkpointing=gradient_checkpointing)
        return needed <= gigabytes * _GIGABYTE

    def lines(self, *, gigabytes: float | None = None) -> list[str]:
        """The estimate for a person, a fact a line."""
        training, sampling = self.settings.training, self.settings.sampling
        rows, tokens = rows_of_a_pass(self.settings), self.settings.prompt.tokens
        kind = self.settings.prompt.parameterisation
        checkpointing = "on" if training.gradient_checkpointing else "off"
        lines = [
            f"backbone            {self.model.name}: {self.model.parameters:,} parameters, "
            f"{8 * self.weight_bytes} bits each, width {self.model.width}",
            f"soft prompt         {kind}: {self.trained:,} numbers trained, {tokens} tokens, "
            f"contexts of {self.context_width}",
            f"batch               {rows} rows of {tokens} + {self.row_tokens} tokens a pass, "
            f"{training.accumulate} a step",
            f"weights             {_gb(self.weights)}",
            f"θ, gradient, Adam   {_gb(self.optimiser)}",
            f"activations         {_gb(self.activations)}, or {_gb(self.checkpointed)} with "
            "gradient checkpointing",
            f"soft prompt's own   {_gb(self.soft_prompt)}",
            f"logits              {_gb(self.logits)}",
            f"memory to train     {_gb(self.training_bytes())} with gradient checkpointing "
            f"{checkpointing}",
            f"memory to sample    {_gb(self.sampling_bytes)} for {sampling.max_batch} at a time",
            f"arithmetic          {self.step_flops:.3g} FLOPs a step, {self.total_flops:.3g} for "
            f"{training.steps:,} steps",
            f"artifact            {_gb(self.artifact)} on disk",
        ]
        return lines if gigabytes is None else [*lines, self.verdict(gigabytes)]

    def verdict(self, gigabytes: float) -> str:
        """Whether it fits a device of so many gigabytes (10⁹ bytes), and what would help."""
        if self.fits(gigabytes):
            return f"fits {gigabytes:g} GB"
        training = self.settings.training
        if self.fits(gigabytes, gradient_checkpointing=True):
            advice = "set training.gradient_checkpointing: true"
        elif training.accumulate < training.batch_size:
            advice = "raise training.accumulate"
        else:
            advice = "take a smaller backbone"
        return f"does not fit {gigabytes:g} GB, needs {_gb(self.training_bytes())}: {advice}"


def estimate_run(
    settings: SoftSRVConfig,
    model: ModelSizes,
    *,
    row_tokens: int,
    weight_bytes: int | None = None,
    context_width: int | None = None,
) -> Estimate:
    """What a run with these settings takes.

    Args:
        model: The backbone's sizes; see `read_model_sizes`.
        row_tokens: Of a target row with its end; the longest gives what must fit.
        weight_bytes: Of one weight as it is loaded; None: as the settings have it loaded here.
        context_width: d_e, where the encoder's configuration does not tell.

    Raises:
        RequestError: d_e is needed and unknown.
    """
    size = weight_bytes or weight_bytes_of(settings.backbone, model)
    width = context_width or context_width_of(settings.encoder, model)
    trained = parameter_count(settings.prompt, width=model.width, context_width=width)
    rows = rows_of_a_pass(settings)
    places = rows * (settings.prompt.tokens + row_tokens)
    layer = layer_bytes(model, places // rows, size)  # of one position
    inputs = model.layers * model.width * size
    cached = 2 * model.layers * model.kv_heads * model.head_width * size
    sampled = settings.prompt.tokens + settings.sampling.max_new_tokens
    return Estimate(
        model=model,
        settings=settings,
        weight_bytes=size,
        context_width=width,
        row_tokens=row_tokens,
        trained=trained,
        weights=model.parameters * size,
        optimiser=trained * _ADAM,
        # the layer in work has as much again in temporaries and gradients
        activations=places * layer * (model.layers + 1),
        checkpointed=places * (inputs + 2 * layer),
        soft_prompt=soft_prompt_bytes(settings, model, rows, size, row_tokens),
        logits=logits_bytes(model, rows * row_tokens, size),
        step_flops=step_flops(settings, model, rows, row_tokens, trained),
        keys_and_values=settings.sampling.max_batch * sampled * cached,
        artifact=trained * FLOAT_BYTES,
    )


def weight_bytes_of(config: BackboneConfig, model: ModelSizes) -> int:
    """Bytes of one weight as `load_lm` would load it here: `auto` is float32 on a CPU."""
    if config.dtype != "auto":
        return 4 if config.dtype == "float32" else 2
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    on_cpu = config.device == "cpu" or (config.device == "auto" and not accelerated)
    return 4 if on_cpu else model.stored_bytes


def context_width_of(config: EncoderConfig, model: ModelSizes) -> int:
    """d_e as far as a configuration tells it.

    Raises:
        RequestError: Another model would have to be asked.
    """
    widths = {"backbone": model.width, "default": _SENTENCE_WIDTH}
    if config.components is not None:
        return min(config.components, widths.get(config.model, config.components))
    if config.model not in widths:
        raise RequestError(
            f"the width of the context vectors of encoder {config.model!r} is not known",
            hint="set encoder.components",
            code="unknown_width",
        )
    return widths[config.model]


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
    """P, its gradient, what its own arithmetic keeps, and the input that P becomes a part of."""
    prompt = settings.prompt
    kind = PARAMETERISATIONS[prompt.parameterisation]
    kept = rows * kind.kept_numbers(prompt) * FLOAT_BYTES
    columns = rows * prompt.tokens
    fed = rows * (prompt.tokens + row_tokens) * model.width * weight_bytes
    return kept + columns * model.width * (2 * FLOAT_BYTES + weight_bytes) + 2 * fed


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
    kind = PARAMETERISATIONS[settings.prompt.parameterisation]
    reads = 6 * rows * trained if kind.uses_context else 0
    return training.accumulate * (frozen + reads)


def _with_allowance(size: int) -> int:
    return int(size * (1 + _GAPS)) + _DEVICE


def _gb(size: int) -> str:
    return f"{size / _GIGABYTE:.2f} GB" if size >= _GIGABYTE / 100 else f"{size / 10**6:.2f} MB"
