"""all-MiniLM-L6-v2 in numpy: BERT with six layers, mean over tokens, unit length.

Torch takes seconds to import and 400 MiB to hold; a forward pass of this model is a few dozen
matrix products. The weights are read where they lie, in the safetensors file, so that of the
vocabulary only the rows that occur take memory. Differs from sentence-transformers by rounding
alone (1e-6 at most; `tests/core/test_embed.py`).
"""

import json
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DIMS = 384
MAX_TOKENS = 256
_HEADS = 12
_LAYERS = 6
_TOGETHER = 64  # texts: about 20 MiB of hidden states at their longest
_EPSILON = 1e-12
_VOCABULARY = "embeddings.word_embeddings.weight"

Floats = NDArray[np.float32]


class MiniLM:
    """The model; a text's vector is the same to the last bit in whatever company it comes.

    Args:
        folder: Has `model.safetensors` and `tokenizer.json`.

    Raises:
        OSError: A file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        weights = _read_safetensors(folder / "model.safetensors")
        self._words = weights[_VOCABULARY]
        # all tokens are of the first segment
        self._places = np.asarray(
            weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings.LayerNorm")
        self._layers = [_Layer(weights, f"encoder.layer.{n}") for n in range(_LAYERS)]
        self._tokenizer = _tokenizer(folder / "tokenizer.json")
        self._lock = threading.Lock()  # the tokenizer's

    def vectors(self, texts: list[str]) -> tuple[Floats, list[bool]]:
        """The texts' vectors [n, 384], and which texts are longer than the 256 tokens read."""
        parts = [
            self._together(texts[at : at + _TOGETHER]) for at in range(0, len(texts), _TOGETHER)
        ]
        return np.concatenate([rows for rows, _ in parts]), [
            cut for _, each in parts for cut in each
        ]

    def _together(self, texts: list[str]) -> tuple[Floats, list[bool]]:
        with self._lock:
            encoded = self._tokenizer.encode_batch(texts)
        hidden = [self._embedded(encoding.ids) for encoding in encoded]
        # A layer's weights stay in the processor's cache for all texts; products of one text each
        # give the same bits whatever the others are.
        for layer in self._layers:
            hidden = [layer(tokens) for tokens in hidden]
        rows = np.stack([tokens.mean(axis=0) for tokens in hidden])
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
        return rows, [bool(encoding.overflowing) for encoding in encoded]

    def _embedded(self, ids: list[int]) -> Floats:
        return _normalised(self._words[ids] + self._places[: len(ids)], *self._norm)


class _Layer:
    """Attention and feed-forward of one layer, each with its residual and norm."""

    def __init__(self, weights: dict[str, Floats], name: str) -> None:
        attention = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([weights[f"{part}.weight"] for part in attention])
        self._qkv = np.ascontiguousarray(joined.T)
        self._qkv_bias = np.concatenate([weights[f"{part}.bias"] for part in attention])
        self._out, self._out_bias = _dense(weights, f"{name}.attention.output.dense")
        self._out_norm = _norm(weights, f"{name}.attention.output.LayerNorm")
        self._up, self._up_bias = _dense(weights, f"{name}.intermediate.dense")
        self._down, self._down_bias = _dense(weights, f"{name}.output.dense")
        self._down_norm = _norm(weights, f"{name}.output.LayerNorm")

    def __call__(self, hidden: Floats) -> Floats:
        """[tokens, 384] to the same."""
        tokens = len(hidden)
        qkv = hidden @ self._qkv
        qkv += self._qkv_bias
        # [tokens, 3, heads, 32] to three of [heads, tokens, 32]
        query, key, value = qkv.reshape(tokens, 3, _HEADS, -1).transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1)
        scores *= np.float32(1 / math.sqrt(DIMS // _HEADS))
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2).reshape(tokens, DIMS)
        out = mixed @ self._out
        out += self._out_bias
        out += hidden
        hidden = _normalised(out, *self._out_norm)
        up = hidden @ self._up
        up += self._up_bias
        out = _gelu(up) @ self._down
        out += self._down_bias
        out += hidden
        return _normalised(out, *self._down_norm)


def _gelu(x: Floats) -> Floats:
    """x times the normal distribution's function.

    erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: wrong by 1.5e-7 at
    most. Everything is float32 and in place, for this takes as long as a matrix product.
    """
    magnitude = np.abs(x)
    magnitude *= np.float32(math.sqrt(0.5))
    t = magnitude * np.float32(0.3275911)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    tail = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(coefficient)
        tail *= t
    magnitude *= magnitude
    np.negative(magnitude, out=magnitude)
    np.exp(magnitude, out=magnitude)
    tail *= magnitude  # 1 - erf(|x| / sqrt 2)
    tail *= np.float32(0.5)
    tail *= np.abs(x)
    positive: Floats = np.maximum(x, np.float32(0))
    positive -= tail
    return positive


def _normalised(x: Floats, weight: Floats, bias: Floats) -> Floats:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(DIMS)
    x /= np.sqrt(variance + np.float32(_EPSILON))
    x *= weight
    x += bias
    return x


def _dense(weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    # turned once: few rows times a transposed matrix take twice the time
    return np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"]


def _norm(weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _read_safetensors(path: Path) -> dict[str, Floats]:
    """The float32 arrays of a file; the vocabulary's is mapped, the others are read."""
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        begin = file.tell()
    arrays: dict[str, Floats] = {}
    for name, entry in header.items():
        if entry.get("dtype") != "F32":
            continue
        at, shape = begin + entry["data_offsets"][0], tuple(entry["shape"])
        if name == _VOCABULARY:
            arrays[name] = np.asarray(np.memmap(path, "<f4", "r", at, shape))
        else:
            arrays[name] = np.fromfile(path, "<f4", math.prod(shape), offset=at).reshape(shape)
    return arrays


def _tokenizer(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
