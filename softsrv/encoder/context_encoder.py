"""The context encoder E: a text to its context vector z, standardised and, if wanted, made lossy.

Raw means of hidden states have a few huge coordinates that would saturate whatever reads them, so
the train texts' mean and spread are taken out and kept. E has to be lossy, or copying x would be
the best that P_θ(E(x)) could learn (the paper limits d_e): hence a projection to few numbers, and
noise while training.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from metasynth.config.softsrv import EncoderConfig
from metasynth.errors import RequestError
from metasynth.randomness import derive_seed
from metasynth.softsrv.backbone import Backbone

from .text_vectors import TextVectors, text_vectors

Progress = Callable[[int], None]

logger = logging.getLogger(__name__)

_AT_ONCE = 512  # texts between two words about progress
_FLAT = 1e-6  # a coordinate that spreads less than this, against the mean spread, is constant


class ContextEncoder:
    """E, frozen: the same text gives the same z, whatever it is encoded together with.

    Attributes:
        width: d_e, the length of z.
        model_id: Names the weights and the way of pooling that the raw vectors come from.
        notes: What was asked for and could not be had, in sentences.
    """

    def __init__(
        self,
        config: EncoderConfig,
        vectors: TextVectors,
        tensors: dict[str, Tensor],
        *,
        notes: Sequence[str] = (),
    ) -> None:
        self.config = config
        self.notes = tuple(notes)
        self.model_id = vectors.model_id
        self._vectors = vectors
        self._tensors = tensors  # mean, scale [D]; with a projection also basis [D, d_e]
        self.width = int(tensors["basis" if "basis" in tensors else "mean"].shape[-1])

    @classmethod
    def fit(
        cls,
        config: EncoderConfig,
        texts: Sequence[str],
        *,
        backbone: Backbone,
        cache: Path | None,
        seed: int,
        progress: Progress | None = None,
    ) -> Self:
        """An encoder whose standardiser and projection come from the train texts.

        Args:
            cache: A SQLite file that keeps raw vectors by model and text; None: this process.
            seed: Of a random projection.
            progress: Told how many texts are encoded; what is, is in the cache if it raises.

        Raises:
            RequestError: There is no text, or the model cannot be loaded.
        """
        if not texts:
            raise RequestError(
                "the encoder has no text to learn its standardiser from", code="no_text"
            )
        vectors = text_vectors(config, backbone=backbone, cache=cache)
        raw = _in_parts(vectors, texts, progress).double()  # [n, D]
        tensors = _standardiser(raw)
        notes: list[str] = []
        if config.components is not None:
            unit = (raw - tensors["mean"]) * tensors["scale"]
            basis, limit = _projection(config, unit, seed=seed)
            if basis.shape[1] < config.components:
                notes.append(f"z has {basis.shape[1]} components, not {config.components}: {limit}")
                logger.warning("%s", notes[-1])
            tensors["basis"] = basis
        # laid out as they are read back, so that rounding is the same too
        kept = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
        return cls(config, vectors, kept, notes=notes)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """The context vectors [n, d_e] of texts, float32, on the backbone's device.

        Each coordinate has mean 0 and standard deviation 1 over the train texts, the projected ones
        too. Noise is not added.
        """
        if not texts:
            return torch.zeros(0, self.width, device=self._vectors.device)
        z = (self._vectors(texts) - self._tensors["mean"]) * self._tensors["scale"]
        if "basis" in self._tensors:
            z = z @ self._tensors["basis"]
        return z.to(self._vectors.device)

    def noisy(self, z: Tensor, *, generator: torch.Generator) -> Tensor:
        """z with the configured noise added, drawn from `generator`."""
        if not self.config.noise:
            return z
        drawn = torch.randn(z.shape, generator=generator, device=generator.device)
        return z + self.config.noise * drawn.to(z)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What makes this encoder: tensors, and values for JSON."""
        told = {
            "config": self.config.model_dump(mode="json"),
            "model_id": self.model_id,
            "width": self.width,
            "notes": list(self.notes),
        }
        return dict(self._tensors), told

    @classmethod
    def from_state(
        cls,
        tensors: dict[str, Tensor],
        told: dict[str, Any],
        *,
        backbone: Backbone,
        cache: Path | None = None,
    ) -> Self:
        """The encoder that `state` told of.

        A language model of its own (`lm:`) is loaded, and compared, at the first text only, because
        sampling from known contexts needs none.

        Raises:
            RequestError: The model that computes the vectors is another, or cannot be loaded.
        """
        config = EncoderConfig(**told["config"])
        vectors = text_vectors(config, backbone=backbone, cache=cache, expected=told["model_id"])
        return cls(config, vectors, dict(tensors), notes=told.get("notes", ()))

    def close(self) -> None:
        """Let go of the cache."""
        self._vectors.close()


def _in_parts(vectors: TextVectors, texts: Sequence[str], progress: Progress | None) -> Tensor:
    """Raw vectors [n, D] of all texts, so many at a time."""
    found = []
    for start in range(0, len(texts), _AT_ONCE):
        found.append(vectors(texts[start : start + _AT_ONCE]))
        if progress is not None:
            progress(min(start + _AT_ONCE, len(texts)))
    return torch.cat(found)


def _standardiser(raw: Tensor) -> dict[str, Tensor]:
    """Mean and reciprocal spread [D] of rows [n, D]; a constant coordinate keeps its scale."""
    spread = raw.std(0, correction=0)
    flat = spread <= _FLAT * spread.mean()
    scale = torch.where(flat, 1.0, 1.0 / spread.masked_fill(flat, 1.0))
    return {"mean": raw.mean(0), "scale": scale}


def _projection(config: EncoderConfig, unit: Tensor, *, seed: int) -> tuple[Tensor, str]:
    """A basis [D, d_e] whose coordinates have unit spread over the rows, and what bounds d_e."""
    rows, width = unit.shape
    if config.projection == "random":
        wanted = min(config.components or width, width)
        generator = torch.Generator().manual_seed(derive_seed(seed, "projection"))
        basis = torch.randn(width, wanted, generator=generator, dtype=unit.dtype)
        limit = f"its vectors have {width} numbers"
    else:
        covariance = unit.T @ unit / rows
        variances, directions = torch.linalg.eigh(covariance)  # ascending
        rank = int((variances > 1e-10 * variances.max().clamp_min(1e-30)).sum())
        wanted = min(config.components or rank, max(rank, 1))
        basis = directions.flip(1)[:, :wanted]
        # a direction and its opposite are the same component: the larger side is called positive
        largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
        basis = basis * largest.sign()
        limit = f"{rows} train texts spread in {rank} directions of {width}"
    spread = (unit @ basis).std(0, correction=0)
    return basis / spread.clamp_min(_FLAT), limit
