"""Rows as vectors of the student: pooled hidden states, and gradients of its output layer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metasynth.lm.batches import Encoded
from metasynth.lm.hidden import Pooling, pooled_states
from metasynth.lm.load import LoadedLM
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow

from .gradients import GradientEmbeddings, gradient_embeddings

Over = Literal["all", "prompt", "answer"]


@dataclass
class EmbeddedRows:
    """Which rows were embedded, in their order, and which were not.

    Attributes:
        ids: The rows that have a vector.
        left_out: The others, by line and reason.
    """

    ids: list[str] = field(default_factory=list)
    left_out: list[BadRow] = field(default_factory=list)


def embed_rows(
    lm: LoadedLM,
    rows: Iterable[StudentRow | BadRow],
    *,
    over: Over = "all",
    pooling: Pooling = "mean",
    tokens_per_batch: int = 8192,
    on_batch: Callable[[int], object] | None = None,
) -> tuple[EmbeddedRows, NDArray[np.float32]]:
    """The student's own vectors of rows, [rows that have one, width].

    Args:
        lm: The student.
        rows: What is embedded.
        over: Whose tokens are pooled: all, the prompt's (nothing else is read then), or the
            answer's. The very first token is left out: what stands there is the same for all.
        pooling: The mean, or the last token's state.
        tokens_per_batch: Tokens of one forward pass.
        on_batch: See `log_probabilities`.
    """
    told = EmbeddedRows()
    encode = _encoder(Renderer(lm), over)
    found = pooled_states(
        lm,
        _encoded(rows, encode, told),
        pooling=pooling,
        tokens_per_batch=tokens_per_batch,
        on_batch=on_batch,
    )
    vectors = [one.numpy() for one in found]
    embeddings: Any = lm.model.get_input_embeddings()
    width = int(embeddings.embedding_dim)
    return told, np.stack(vectors) if vectors else np.zeros((0, width), dtype=np.float32)


def embed_gradients(
    lm: LoadedLM,
    rows: Iterable[StudentRow | BadRow],
    *,
    top_tokens: int = 64,
    label: Literal["argmax", "target"] = "argmax",
    places: Literal["all", "first"] = "all",
    tokens_per_batch: int = 8192,
    on_batch: Callable[[int], object] | None = None,
) -> tuple[EmbeddedRows, GradientEmbeddings]:
    """The gradients of rows along their answers (a text: along itself); see `gradients`.

    Raises:
        ValueError: No row has a gradient.
    """
    told = EmbeddedRows()
    found = gradient_embeddings(
        lm,
        _encoded(rows, Renderer(lm).encode, told),
        top_tokens=top_tokens,
        label=label,
        places=places,
        tokens_per_batch=tokens_per_batch,
        on_batch=on_batch,
    )
    return told, found


def _encoder(renderer: Renderer, over: Over) -> Callable[[StudentRow], Encoded]:
    def encode(row: StudentRow) -> Encoded:
        if over == "answer":
            return renderer.encode(row)
        if row.text is None and (over == "prompt" or not row.is_answered):
            ids = renderer.prompt_ids(row)
            if len(ids) < 2:
                raise BadRowError("a single token, which nothing stands before")
            return Encoded(ids, [place > 0 for place in range(len(ids))])
        return renderer.encode(row, loss_on="all")

    return encode


def _encoded(
    rows: Iterable[StudentRow | BadRow],
    encode: Callable[[StudentRow], Encoded],
    told: EmbeddedRows,
) -> Iterable[Encoded]:
    for row in rows:
        if isinstance(row, BadRow):
            told.left_out.append(row)
            continue
        try:
            found = encode(row)
        except BadRowError as error:
            told.left_out.append(BadRow(row.line, str(error)))
            continue
        told.ids.append(row.id)
        yield found
