"""Which seed a record starts from: refreshed every M records, toward what was not written yet."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from metasynth.config.run import SeedsConfig
from metasynth.randomness import generator
from metasynth.records.seeds import Seed

Labeller = Callable[[Seed], Awaitable[str]]


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]: ...


class Seeds(Protocol):
    """Where a chain's next record starts from."""

    def remember(self, chain: str, seed_id: str) -> None:
        """A record of an earlier start was written from this seed."""
        ...

    async def pick(self, chain: str) -> Seed:
        """The seed for the chain's next record."""
        ...

    def find(self, seed_id: str) -> Seed | None:
        """The seed with this id."""
        ...


class GivenSeeds:
    """Seeds that something else has chosen, one for each chain."""

    def __init__(self, seed_of: Callable[[str], Seed]) -> None:
        self._seed_of = seed_of

    def remember(self, chain: str, seed_id: str) -> None:
        """Nothing: a chain has one seed."""

    async def pick(self, chain: str) -> Seed:
        """The chain's seed."""
        return self._seed_of(chain)

    def find(self, seed_id: str) -> Seed | None:  # noqa: ARG002 - see `Seeds`
        """None: a seed belongs to its chain."""
        return None


class SeedPicker:
    """Hands seeds to chains.

    A chain writes M records from one seed. Then the neighbours of that seed are looked at, nearest
    first and unused ones before used ones, and the first whose topic label is not among the labels
    of the last M records is taken; where none of the k nearest will do, k doubles (MetaSynth's
    adaptive k-NN; how k adapts there is not known, the doubling is our choice).
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        config: SeedsConfig,
        *,
        embedder: Embedder,
        random_seed: int,
        recent_labels: Callable[[int], list[str]],
        label: Labeller,
    ) -> None:
        self._seeds = {seed.id: seed for seed in seeds}
        self._config = config
        self._embedder = embedder
        self._random_seed = random_seed
        self._recent_labels = recent_labels
        self._label = label
        self._uses: Counter[str] = Counter()
        self._current: dict[str, tuple[str, int]] = {}  # chain -> seed id, records begun with it
        self._vectors: Any = None

    def remember(self, chain: str, seed_id: str) -> None:
        """A record of an earlier start was written from this seed."""
        if seed_id not in self._seeds:
            return
        known, count = self._current.get(chain, ("", 0))
        self._current[chain] = (seed_id, count + 1 if known == seed_id else 1)
        if known != seed_id:
            self._uses[seed_id] += 1

    def find(self, seed_id: str) -> Seed | None:
        """The seed with this id."""
        return self._seeds.get(seed_id)

    async def pick(self, chain: str) -> Seed:
        """The seed for the chain's next record."""
        current, count = self._current.get(chain, ("", 0))
        if current and count < self._config.refresh_every:
            self._current[chain] = (current, count + 1)
            return self._seeds[current]
        order = self._order(chain) if not current else await self._nearest_to(current)
        candidates = self._least_used(order)
        # taken before the first await below, so that no two chains settle on one seed
        chosen = candidates[0]
        self._take(chain, chosen)
        better = await self._with_new_label(candidates)
        if better != chosen and self._uses[better] < self._uses[chosen]:
            self._uses[chosen] -= 1
            self._take(chain, better)
        return self._seeds[self._current[chain][0]]

    def _take(self, chain: str, seed_id: str) -> None:
        self._uses[seed_id] += 1
        self._current[chain] = (seed_id, 1)

    def _order(self, chain: str) -> list[str]:
        order = list(self._seeds)
        generator(self._random_seed, "first seed", chain).shuffle(order)
        return order

    async def _nearest_to(self, seed_id: str) -> list[str]:
        import numpy as np

        ids = list(self._seeds)
        if self._vectors is None:
            texts = [seed.text for seed in self._seeds.values()]
            self._vectors = np.asarray(await self._embedder.aembed_documents(texts))
        similarity = self._vectors @ self._vectors[ids.index(seed_id)]
        order = [ids[index] for index in np.argsort(-similarity, kind="stable")]
        return [id_ for id_ in order if id_ != seed_id] or [seed_id]

    def _least_used(self, order: list[str]) -> list[str]:
        fewest = min(self._uses[id_] for id_ in order)
        return [id_ for id_ in order if self._uses[id_] == fewest]

    async def _with_new_label(self, candidates: list[str]) -> str:
        """The nearest candidate with a label unlike those of the last M records."""
        window = self._config.neighbours
        start = 0
        while start < len(candidates):
            for id_ in candidates[start:window]:
                recent = {
                    label.lower() for label in self._recent_labels(self._config.refresh_every)
                }
                if not recent or (await self._label(self._seeds[id_])).lower() not in recent:
                    return id_
            start, window = window, 2 * window
        return candidates[0]
