"""Keys and values of the rows of a running batch, in buffers that stay where they are.

Rows are aligned at the right: all write the same column at a step, and a row that is shorter than
the longest begins further right (`starts`). A row that joins is copied into a free slot, one that
leaves is overwritten by the last; no other row is touched, and a step appends in place instead of
copying the whole cache as `DynamicCache` does.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers.cache_utils import Cache

    from metasynth.lm.load import LoadedLM

STEP_COLUMNS = 256  # by how much the buffers grow
MIN_DEAD_COLUMNS = 32  # columns that no row uses any more before the rest is moved left


class SlotCache:
    """A key-value cache of at most `rows` sequences.

    Attributes:
        used: Rows in use: the slots 0 to used - 1.
        columns: Columns in use, the same for all rows.
        starts: For each used row, its first column.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.used = 0
        self.columns = 0
        self.starts: list[int] = []
        self._capacity = 0
        self._keys: list[torch.Tensor] = []  # a layer each: [rows, heads, capacity, head size]
        self._values: list[torch.Tensor] = []
        self._mask: torch.Tensor | None = None  # [rows, 1, 1, capacity], added to the scores

    def as_transformers_cache(self) -> "Cache":
        """A view for one step, for models that run through transformers."""
        from transformers.cache_utils import Cache

        layer_class = _layer_class()
        return Cache(layers=[layer_class(self, index) for index in range(len(self._keys))])

    def insert(
        self, layers: "Sequence[tuple[torch.Tensor, torch.Tensor]]", lengths: Sequence[int]
    ) -> None:
        """Add rows behind the used ones.

        Args:
            layers: Keys and values of each layer, [new rows, heads, width, head size], padded left;
                with one row for all, it is copied into each of them.
            lengths: How many columns, counted from the right, are real in each new row.
        """
        width = layers[0][0].shape[2]
        if not self.used:
            self.columns = width
        self._reserve(layers, max(self.columns, width) + 1)
        if width > self.columns:
            self._shift(width - self.columns)
        rows = slice(self.used, self.used + len(lengths))
        columns = slice(self.columns - width, self.columns)
        for index, (keys, values) in enumerate(layers):
            self._keys[index][rows, :, columns] = keys
            self._values[index][rows, :, columns] = values
        self.used += len(lengths)
        self.starts += [self.columns - length for length in lengths]
        self._refresh_mask()

    def remove(self, slot: int) -> None:
        """Free a slot: the last row takes its place (the caller renumbers its rows likewise)."""
        self.used -= 1
        start = self.starts[self.used]
        if slot != self.used:
            for buffer in (*self._keys, *self._values):
                buffer[slot, :, start : self.columns] = buffer[self.used, :, start : self.columns]
            self.starts[slot] = start
        self.starts.pop()
        self._refresh_mask()

    def clear(self) -> None:
        """Forget all rows."""
        self.used = self.columns = 0
        self.starts = []

    def prepare_step(self) -> None:
        """Make room for one more column; call it before the forward pass of a step."""
        dead = min(self.starts)
        if dead >= MIN_DEAD_COLUMNS or (dead and self.used == 1):
            self._shift(-dead)
            self._refresh_mask()
        if self.columns == self._capacity:
            self._grow(self._capacity + STEP_COLUMNS)

    def append(
        self, layer: int, keys: "torch.Tensor", values: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Write this step's column of one layer; the layer's keys and values up to and with it.

        Args:
            layer: Which layer.
            keys: [used rows, heads, 1, head size].
            values: The same shape.
        """
        rows, end = self.used, self.columns + 1
        key_buffer, value_buffer = self._keys[layer], self._values[layer]
        key_buffer[:rows, :, self.columns : end] = keys
        value_buffer[:rows, :, self.columns : end] = values
        return key_buffer[:rows, :, :end], value_buffer[:rows, :, :end]

    def finish_step(self) -> None:
        """Count the column that the forward pass has written."""
        self.columns += 1

    def additive_mask(self) -> "torch.Tensor | None":
        """What a step adds to its scores, [used, 1, 1, columns + 1]; None: nothing is padding."""
        if self._mask is None or not any(self.starts):
            return None
        return self._mask[: self.used, :, :, : self.columns + 1]

    def padding_mask(self) -> "torch.Tensor | None":
        """The same in the form of a tokenizer's attention mask, [used, columns + 1]."""
        mask = self.additive_mask()
        return None if mask is None else (mask[:, 0, 0] == 0).long()

    def _reserve(self, layers: "Sequence[tuple[torch.Tensor, torch.Tensor]]", columns: int) -> None:
        if not self._keys:
            self._capacity = 0
            self._keys = [keys.new_zeros(self._shape(keys)) for keys, _ in layers]
            self._values = [values.new_zeros(self._shape(values)) for _, values in layers]
        if columns > self._capacity:
            self._grow(-(-columns // STEP_COLUMNS) * STEP_COLUMNS)

    def _shape(self, sample: "torch.Tensor") -> tuple[int, int, int, int]:
        return (self.rows, sample.shape[1], 0, sample.shape[3])

    def _grow(self, capacity: int) -> None:
        filled = min(self.columns, self._capacity)
        for buffers in (self._keys, self._values):
            for index, old in enumerate(buffers):
                # zeros, not empty memory: a masked column is multiplied by 0, and 0 * NaN is NaN
                new = old.new_zeros((*old.shape[:2], capacity, old.shape[3]))
                new[: self.used, :, :filled] = old[: self.used, :, :filled]
                buffers[index] = new
        self._capacity = capacity
        self._mask = self._keys[0].new_zeros((self.rows, 1, 1, capacity))
        self._refresh_mask()

    def _shift(self, by: int) -> None:
        """Move all columns to the right (or, with a negative number, to the left)."""
        source = slice(max(0, -by), self.columns)
        target = slice(max(0, by), self.columns + by)
        if self.used:
            for buffer in (*self._keys, *self._values):
                buffer[: self.used, :, target] = buffer[: self.used, :, source].clone()
        self.columns += by
        self.starts = [start + by for start in self.starts]

    def _refresh_mask(self) -> None:
        import torch

        if self._mask is None or not self.used:
            return
        starts = torch.tensor(self.starts, device=self._mask.device)[:, None]
        padding = torch.arange(self._capacity, device=self._mask.device) < starts
        rows = self._mask[: self.used, 0, 0]
        rows.zero_().masked_fill_(padding, torch.finfo(rows.dtype).min)


class _SlotLayer:
    """One layer of a `SlotCache` as transformers' `Cache` uses it, for the length of one step."""

    is_sliding = False
    supports_early_init = False
    is_initialized = True

    def __init__(self, cache: SlotCache, index: int) -> None:
        self._cache = cache
        self._index = index

    def update(
        self, keys: "torch.Tensor", values: "torch.Tensor", *_: Any, **__: Any
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Append the column of this step."""
        return self._cache.append(self._index, keys, values)

    def get_seq_length(self) -> int:
        """Columns before this step."""
        return self._cache.columns

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that a query sees."""
        return self._cache.columns + query_length, 0

    def get_max_length(self) -> int:
        """No bound."""
        return -1


@lru_cache(maxsize=1)
def _layer_class() -> Any:
    """`_SlotLayer` with the base class that transformers looks for; importing it takes seconds."""
    from transformers.cache_utils import CacheLayerMixin

    unused: Any = {"lazy_initialization": None, "__init__": _SlotLayer.__init__}
    return type("SlotLayer", (_SlotLayer, CacheLayerMixin), unused)


def padded_prefill(
    lm: "LoadedLM", prompts: Sequence[Sequence[int]]
) -> "tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]":
    """Read prompts in one forward pass.

    Returns:
        The logits of the next token, [prompts, vocabulary], and each layer's keys and values,
        [prompts, heads, longest prompt, head size], padded left.
    """
    import torch
    from transformers import DynamicCache

    lengths = [len(prompt) for prompt in prompts]
    width = max(lengths)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
    cache: Any = DynamicCache()
    logits = forward(lm, ids.to(lm.device), *left_padding(lengths, lm.device), cache)
    return logits, [(layer.keys, layer.values) for layer in cache.layers]


def left_padding(
    lengths: Sequence[int], device: "torch.device"
) -> "tuple[torch.Tensor, torch.Tensor | None]":
    """Positions of rows that are padded left to the longest, and their mask where any is.

    Both are [rows, longest]; the mask is a tokenizer's attention mask.
    """
    import torch

    width = max(lengths)
    mask = torch.zeros((len(lengths), width), dtype=torch.long)
    for row, length in enumerate(lengths):
        mask[row, width - length :] = 1
    positions = (mask.cumsum(-1) - 1).clamp_(min=0)
    return positions.to(device), mask.to(device) if min(lengths) < width else None


def forward(
    lm: "LoadedLM",
    inputs: "torch.Tensor",
    positions: "torch.Tensor",
    mask: "torch.Tensor | None",
    cache: Any,
) -> "torch.Tensor":
    """The model's logits after the last column, [rows, vocabulary], in float32.

    Args:
        lm: The model.
        inputs: Tokens, [rows, new columns], or in their place vectors, [rows, new columns, width].
        positions: [rows, new columns].
        mask: A tokenizer's attention mask for the columns before and the new ones; None: all real.
        cache: What holds the columns before; the new ones are added to it.
    """
    kind = "inputs_embeds" if inputs.is_floating_point() else "input_ids"
    output = lm.model(
        **{kind: inputs},
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1].float()  # type: ignore[no-any-return]
