"""SoftSRV in a round: contexts z chosen by the student's scores, and what is decoded from them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.blocking import Check
from metasynth.config.active import ActiveConfig
from metasynth.graphs.softsrv.steering import Steering
from metasynth.randomness import derive_seed, generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.student.contexts.adaptive_contexts import NextContext
    from metasynth.student.contexts.gates import Gate
    from metasynth.student.fidelity import Pair


class ScoredContexts(NamedTuple):
    """Rows of the pool with their context vectors.

    Attributes:
        ids: Of the rows.
        scores: Their scores; zeros where nothing was scored.
        z: Context vectors [N, d_e].
        clusters: The cluster of each.
    """

    ids: Sequence[str]
    scores: "NDArray[np.float64]"
    z: "NDArray[np.float32]"
    clusters: "NDArray[np.integer[Any]]"


class RoundContexts:
    """Chooses contexts and draws from them; everything here blocks.

    Args:
        settings: The section of the run file.
        steering: The frozen model and its soft prompt.
        seed: The run's.
    """

    def __init__(self, settings: ActiveConfig, steering: Steering, *, seed: int) -> None:
        self._settings = settings
        self._steering = steering
        self._seed = seed

    @property
    def stage(self) -> str:
        """What is being made ready."""
        return self._steering.stage

    @property
    def model(self) -> str:
        """The frozen model."""
        return self._steering.model

    @property
    def strategy(self) -> str:
        """The strategy of the arm: without scores, all contexts in turn or drawn evenly."""
        arms = {"static": "static", "random": "random"}
        return arms.get(self._settings.arm, self._settings.contexts)

    def of_rows(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        scores: Sequence[float] | None,
        check: Check,
    ) -> ScoredContexts:
        """The contexts of rows by the soft prompt's own encoder; trains it where that is due."""
        import numpy as np

        from metasynth.vectors.cluster import kmeans_labels

        z = self._steering.artifact(check).encoder.encode(list(texts)).float().cpu().numpy()
        count = min(self._settings.clusters, len(ids))
        seed = derive_seed(self._seed, "contexts", "clusters")
        labels = kmeans_labels(z.astype(np.float64), count, seed=seed).labels
        known = np.zeros(len(ids)) if scores is None else np.asarray(scores, dtype=np.float64)
        return ScoredContexts(ids, known, z, labels)

    def choose(
        self, given: ScoredContexts, count: int, *, number: int, before: int
    ) -> "list[NextContext]":
        """The contexts of a round, in the order of its rows.

        Args:
            count: Rows that are asked for.
            number: The round.
            before: Rows that were asked for in earlier rounds, where A0 goes on.
        """
        from metasynth.student.contexts.adaptive_contexts import ContextOptions, next_contexts

        pool = self._settings.pool
        assert pool is not None
        turns = self.strategy == "static"
        rng = generator(self._seed, "contexts", *(() if turns else (number,)))
        return next_contexts(
            self.strategy,  # type: ignore[arg-type]
            given.scores,
            given.z,
            given.clusters,
            count,
            rng,
            direction=pool.selection.direction,
            options=ContextOptions(children=pool.children),
            start=before if turns else 0,
        )

    def keep(self, path: Path, contexts: "Sequence[NextContext]", given: ScoredContexts) -> None:
        """Write down the vectors of the rows, in their order, and those they were chosen from."""
        import numpy as np
        from safetensors.numpy import save

        kept: dict[str, NDArray[Any]] = {
            "z": np.stack([one.z for one in contexts]).astype(np.float32),
            "pool": np.ascontiguousarray(given.z),
            "scores": given.scores,
        }
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(save(kept))
        partial.replace(path)

    def kept(self, path: Path) -> "NDArray[np.float32]":
        """The vectors of the rows."""
        return _kept(path)["z"]

    def in_turn(self, path: Path, count: int) -> "NDArray[np.float32]":
        """The first contexts of A0: the pool's in a shuffled order."""
        pool = _kept(path)["pool"]
        order = list(range(len(pool)))
        generator(self._seed, "contexts").shuffle(order)
        return pool[[order[place % len(order)] for place in range(count)]]

    def draw(
        self,
        z: "NDArray[np.float32]",
        names: Sequence[str],
        check: Check,
        *,
        number: int,
        start: int = 0,
    ) -> "Iterator[Sample]":
        """One sample from each context from number `start` on; the same on every start.

        Args:
            names: What the contexts are called, [rows].
            number: The round.
        """
        import torch

        from metasynth.softsrv.sampling.soft_sampler import SoftSampler
        from metasynth.softsrv.target import TargetRow

        artifact = self._steering.artifact(check)
        steered = replace(
            artifact,
            contexts=torch.from_numpy(z).to(artifact.contexts),
            rows=[TargetRow(id=name, text="") for name in names],
        )
        seed = derive_seed(self._seed, "round", number)
        with SoftSampler(
            self._steering.backbone(), steered, self._steering.settings.sampling, seed=seed
        ) as sampler:
            count = len(names) - start
            for sample in sampler.sample(count, start=start, contexts=range(len(names))):
                check()
                yield sample

    def faults(self, sample: "Sample") -> list[str]:
        """What is wrong with a sample by its text alone."""
        from metasynth.softsrv.postprocess.junk import junk_reasons

        rules = self._steering.settings.postprocess
        return list(junk_reasons(sample.text, rules, stopped=sample.stopped))

    def gates(
        self,
        path: Path,
        pairs: "Sequence[Pair]",
        *,
        junk: tuple[int, int],
        static_junk: tuple[int, int],
    ) -> "list[Gate]":
        """The gates of adaptive contexts, as far as there is something to judge them by.

        Args:
            path: What `keep` wrote.
            pairs: Children with their parents, by cluster.
            junk: Questions that were junk, and all, of this round.
            static_junk: The same of A0.
        """
        from metasynth.student.contexts.gates import manifold_gate, prediction_gate, steering_gate

        kept, seed = _kept(path), self._seed
        found = [*self._context_gate()]
        if len(set(kept["scores"].tolist())) > 1:
            found.append(prediction_gate(kept["pool"], kept["scores"], seed=seed))
        if pairs:
            found.append(steering_gate(pairs, seed=seed))
        z, pool = kept["z"], kept["pool"]
        found.append(manifold_gate(z, pool, junk=junk, static_junk=static_junk, seed=seed))
        return found

    def _context_gate(self) -> "list[Gate]":
        """Gate 1, from what the training of the soft prompt measured on its held-out rows."""
        from metasynth.student.contexts.gates import Gate
        from metasynth.student.intervals import Interval

        told = (self._steering.told().get("training") or {}).get("after") or {}
        gap, error = told.get("shuffled_gap"), told.get("shuffled_gap_error")
        if gap is None or error is None:
            return []
        value = Interval(gap, gap - 1.96 * error, gap + 1.96 * error)
        detail = "nats a token that a shuffled z costs, as measured after the training"
        return [Gate("context", value, int(told.get("rows", 0)), value.low > 0, detail)]


def _kept(path: Path) -> "dict[str, NDArray[Any]]":
    from safetensors.numpy import load_file

    found: dict[str, NDArray[Any]] = load_file(path)
    return found
