"""Prompts are read here: plain ones, soft prefixes, and prompts that follow a soft prefix.

What a soft prefix leaves in the model (keys, values, the logits after it) is the same for all rows
that begin with it, so it is computed once and kept while there is room, the most recently used
first. Prefixes that are missing are read together, and those of the rows that wait for a slot are
read along: one forward pass instead of one for each row that joins.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .cache import forward, left_padding, padded_prefill

if TYPE_CHECKING:
    import torch

    from metasynth.lm.load import LoadedLM

    from .requests import GenerationRequest, SoftPrefix

PREFILL_TOKENS = 8192  # padded prompt tokens that are read in one forward pass
PREFIX_TOKENS = 8192  # soft tokens whose keys and values are kept


@dataclass(frozen=True, eq=False)
class ReadPrefix:
    """What a model has read of one prefix.

    Attributes:
        logits: Of the token that follows, [1, vocabulary].
        layers: Each layer's keys and values, [1, heads, soft tokens, head size].
    """

    logits: "torch.Tensor"
    layers: "list[tuple[torch.Tensor, torch.Tensor]]"

    def __len__(self) -> int:
        return self.layers[0][0].shape[2]


class ReadRows(NamedTuple):
    """Requests that were read together.

    Attributes:
        rows: Which of the requests they are.
        lengths: The tokens of each that are in `layers`.
        logits: [rows, vocabulary].
        layers: Each layer's keys and values, [rows or 1 for all, heads, width, head size], padded
            left.
    """

    rows: list[int]
    lengths: list[int]
    logits: "torch.Tensor"
    layers: "list[tuple[torch.Tensor, torch.Tensor]]"


class PromptReader:
    """Reads the prompts of requests with one model.

    Args:
        lm: The model.
        together: How many prefixes one forward pass may read.
        prefix_tokens: How many soft tokens are kept.
    """

    def __init__(self, lm: "LoadedLM", *, together: int, prefix_tokens: int) -> None:
        self._lm = lm
        self._prefixes = PrefixCache(lm, together=together, max_tokens=prefix_tokens)

    def read(
        self, requests: "Sequence[GenerationRequest]", *, ahead: "Sequence[SoftPrefix]" = ()
    ) -> list[ReadRows]:
        """Read the prompts of requests; each of them is in one of the results.

        Args:
            requests: What is read, in a forward pass for those without a prefix and one for each
                length of prompt that follows a prefix.
            ahead: Prefixes that will be asked for next, read along if others must be read.
        """
        plain = [row for row, request in enumerate(requests) if request.prefix is None]
        soft = [request.prefix for request in requests if request.prefix is not None]
        found = self._prefixes.read(soft, ahead=ahead) if soft else {}
        read = [self._read_plain(requests, plain)] if plain else []
        for (_, prompt_length), rows in _alike(requests).items():
            prefixes = [found[prefix] for row in rows if (prefix := requests[row].prefix)]
            if not prompt_length:
                read.append(_repeated(rows, prefixes[0]))
            else:
                prompts = [requests[row].prompt_ids for row in rows]
                read.append(ReadRows(rows, *_continued(self._lm, prefixes, prompts)))
        return read

    def _read_plain(self, requests: "Sequence[GenerationRequest]", rows: list[int]) -> ReadRows:
        prompts = [requests[row].prompt_ids for row in rows]
        logits, layers = padded_prefill(self._lm, prompts)
        return ReadRows(rows, [len(prompt) for prompt in prompts], logits, layers)


class PrefixCache:
    """The prefixes that were read last, as many as fit into `max_tokens` soft tokens."""

    def __init__(self, lm: "LoadedLM", *, together: int, max_tokens: int) -> None:
        self._lm = lm
        self._together = together
        self._max_tokens = max_tokens
        self._kept: OrderedDict[SoftPrefix, ReadPrefix] = OrderedDict()
        self._tokens = 0

    def read(
        self, wanted: "Sequence[SoftPrefix]", *, ahead: "Sequence[SoftPrefix]" = ()
    ) -> "dict[SoftPrefix, ReadPrefix]":
        """What the model has read of each wanted prefix, read now where it is not kept.

        The result holds what it needs, whatever is dropped from the cache to make room.
        """
        found = {prefix: self._kept[prefix] for prefix in wanted if prefix in self._kept}
        missing = list(dict.fromkeys(prefix for prefix in wanted if prefix not in found))
        for group in self._groups(missing, ahead):
            found.update(zip(group, read_prefixes(self._lm, group), strict=True))
        for prefix, read in found.items():
            self._tokens += 0 if prefix in self._kept else len(prefix)
            self._kept[prefix] = read
            self._kept.move_to_end(prefix)
        while self._tokens > self._max_tokens:
            dropped, _ = self._kept.popitem(last=False)
            self._tokens -= len(dropped)
        return found

    def _groups(
        self, missing: "list[SoftPrefix]", ahead: "Sequence[SoftPrefix]"
    ) -> "list[list[SoftPrefix]]":
        """What is read in one pass each; the last is filled up with what comes next."""
        groups: list[list[SoftPrefix]] = []
        for prefix in missing:
            if not groups or not self._fits(groups[-1], prefix):
                groups.append([])
            groups[-1].append(prefix)
        room = self._max_tokens - sum(map(len, missing))
        for prefix in dict.fromkeys(ahead):
            if not groups or len(prefix) > room or not self._fits(groups[-1], prefix):
                break
            if prefix not in self._kept and prefix not in missing:
                groups[-1].append(prefix)
                room -= len(prefix)
        return groups

    def _fits(self, group: "list[SoftPrefix]", prefix: "SoftPrefix") -> bool:
        longest = max(len(prefix), *map(len, group))
        return len(group) < self._together and longest * (len(group) + 1) <= PREFILL_TOKENS


def read_prefixes(lm: "LoadedLM", prefixes: "Sequence[SoftPrefix]") -> list[ReadPrefix]:
    """Read prefixes in one forward pass, padded left."""
    import torch
    from transformers import DynamicCache

    lengths = [len(prefix) for prefix in prefixes]
    width = max(lengths)
    shape = (len(prefixes), width, prefixes[0].embeddings.shape[1])
    vectors = torch.zeros(shape, dtype=lm.model.dtype, device=lm.device)
    for row, prefix in enumerate(prefixes):
        vectors[row, width - lengths[row] :] = prefix.embeddings.detach()  # copied and cast
    cache: Any = DynamicCache()
    logits = forward(lm, vectors, *left_padding(lengths, lm.device), cache)
    return [
        ReadPrefix(
            logits[row : row + 1].clone(),  # clones: one that is kept keeps no other in memory
            [
                (_row(layer.keys, row, length).clone(), _row(layer.values, row, length).clone())
                for layer in cache.layers
            ],
        )
        for row, length in enumerate(lengths)
    ]


def _row(tensor: "torch.Tensor", row: int, length: int) -> "torch.Tensor":
    return tensor[row : row + 1, :, tensor.shape[2] - length :]


def _alike(
    requests: "Sequence[GenerationRequest]",
) -> "dict[tuple[SoftPrefix | None, int], list[int]]":
    """Requests with a prefix by what can be read together.

    A prompt after a prefix goes with those of its own length: a gap between the two would be
    counted by layers that see a window of columns. Where there is none, the prefix is all.
    """
    alike: dict[tuple[SoftPrefix | None, int], list[int]] = {}
    for row, request in enumerate(requests):
        if request.prefix is not None:
            length = len(request.prompt_ids)
            alike.setdefault((None if length else request.prefix, length), []).append(row)
    return alike


def _repeated(rows: list[int], prefix: ReadPrefix) -> ReadRows:
    """Rows of which the prefix is the whole prompt."""
    logits = prefix.logits.expand(len(rows), -1)
    return ReadRows(rows, [len(prefix)] * len(rows), logits, prefix.layers)


def _continued(
    lm: "LoadedLM", prefixes: Sequence[ReadPrefix], prompts: Sequence[Sequence[int]]
) -> "tuple[list[int], torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]":
    """Read prompts of one length, each after its prefix: lengths, logits and layers together."""
    import torch
    from transformers import DynamicCache

    prompt_length = len(prompts[0])
    lengths = [len(prefix) + prompt_length for prefix in prefixes]
    width = max(map(len, prefixes))
    cache: Any = DynamicCache()
    for index in range(len(prefixes[0].layers)):
        keys, values = zip(*(prefix.layers[index] for prefix in prefixes), strict=True)
        cache.update(_padded(keys, width), _padded(values, width), index)
    positions, mask = left_padding(lengths, lm.device)
    ids = torch.tensor([list(prompt) for prompt in prompts], device=lm.device)
    logits = forward(lm, ids, positions[:, width:], mask, cache)
    return lengths, logits, [(layer.keys, layer.values) for layer in cache.layers]


def _padded(rows: "Sequence[torch.Tensor]", width: int) -> "torch.Tensor":
    """Rows [1, heads, length, head size] as one tensor, padded left with zeros."""
    import torch
    from torch.nn.functional import pad

    return torch.cat([pad(row, (0, 0, width - row.shape[2], 0)) for row in rows])
