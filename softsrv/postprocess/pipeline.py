"""From samples to candidates: SoftSRV's post-processing (arXiv 2410.16534, section 3, A.2, A.3).

Exact duplicates, then TF-IDF, SVD and mini-batch k-means, then a round robin over the clusters up
to N_s. Between duplicates and clusters we remove junk, since the round robin takes small clusters
whole, and what is in the test set, since there it shapes no cluster and N_s is still reached (the
paper decontaminates last; rows with answers are to be checked again).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.config.softsrv import PostprocessConfig
from metasynth.randomness import derive_seed, generator
from metasynth.softsrv.sampling.samples import Candidate, Sample
from metasynth.text.contamination import Contamination, Hit
from metasynth.vectors.cluster import (
    ClusterSizes,
    Labels,
    Reduced,
    cluster_sizes,
    kmeans_labels,
    round_robin,
    tfidf_svd,
)

from .diversity import SpreadChange, spread_change
from .junk import Reason, junk_reasons

Embed = Callable[[list[str]], NDArray[np.floating]]


@dataclass(frozen=True)
class PostprocessResult:
    """What was kept and why the rest was not.

    Attributes:
        candidates: In the order of the round robin, so that the first n are spread too.
        counts: Samples that were left after each stage: sampled, stopped (ended by themselves, of
            those sampled), unique, clean, decontaminated, clusters (in use), kept.
        notes: What had to be smaller than asked, and what was not done, in sentences.
        junk: How many samples have each fault; one sample may have several.
        contaminated: How many were removed by each kind of hit.
        hits: The number of each sample that was removed so, and what it shares with what.
        sizes: Of the clusters, before the round robin.
        explained: Share of TF-IDF's variance that the SVD keeps; None where there is none.
        features: Words that TF-IDF knows.
        spread: Diversity before and after the round robin.
    """

    candidates: list[Candidate]
    counts: dict[str, int]
    notes: list[str]
    junk: dict[str, int]
    contaminated: dict[str, int]
    hits: list[tuple[int, Hit]]
    sizes: ClusterSizes
    explained: float | None
    features: int
    spread: SpreadChange | None

    def manifest(self) -> dict[str, Any]:
        """Everything but the candidates, as JSON."""
        return {
            "counts": self.counts,
            "junk": self.junk,
            "contaminated": self.contaminated,
            "hits": [{"number": number, **hit._asdict()} for number, hit in self.hits],
            "cluster_sizes": self.sizes._asdict(),
            "explained_variance": self.explained,
            "features": self.features,
            "spread": asdict(self.spread) if self.spread is not None else None,
            "notes": self.notes,
        }


def postprocess(
    samples: Sequence[Sample],
    config: PostprocessConfig,
    *,
    seed: int,
    contaminants: Contamination | None = None,
    embed: Embed | None = None,
) -> PostprocessResult:
    """Choose candidates among samples; the same for the same samples in whatever order they come.

    Args:
        samples: Of soft prompts, or of a baseline.
        config: Its paths of test sets are not read here: give `contaminants`.
        seed: Of the SVD, of k-means and of the round robin.
        contaminants: The test set that must stay unseen.
        embed: Vectors of texts [n, d] for the distances in `spread`; without it TF-IDF's are used.
    """
    ordered = sorted(samples, key=lambda sample: sample.number)
    unique = _distinct(ordered)
    faults = {sample.number: _faults(sample, config) for sample in unique}
    clean = [sample for sample in unique if not faults[sample.number]]
    hits = _hits(clean, contaminants)
    left = [sample for sample in clean if sample.number not in hits]
    chosen = _subsample([sample.text.strip() for sample in left], config, seed, embed)
    notes = [] if contaminants else ["no test set was given: nothing was checked for contamination"]
    return PostprocessResult(
        candidates=[
            Candidate(
                text=left[index].text.strip(),
                context_id=left[index].context_id,
                number=left[index].number,
                cluster=int(chosen.labels[index]),
            )
            for index in chosen.kept
        ],
        counts={
            "sampled": len(ordered),
            "stopped": sum(sample.stopped for sample in ordered),
            "unique": len(unique),
            "clean": len(clean),
            "decontaminated": len(left),
            "clusters": cluster_sizes(chosen.labels).clusters,
            "kept": len(chosen.kept),
        },
        notes=notes + chosen.notes,
        junk=_counted(fault for found in faults.values() for fault in found),
        contaminated=_counted(hit.kind for hit in hits.values()),
        hits=sorted(hits.items()),
        sizes=cluster_sizes(chosen.labels),
        explained=chosen.reduced.explained,
        features=chosen.reduced.features,
        spread=chosen.spread,
    )


def _distinct(samples: Sequence[Sample]) -> list[Sample]:
    """The first of equal texts, but one that ended by itself before one that was cut off.

    Blanks around a text do not count.
    """
    first: dict[str, Sample] = {}
    for sample in sorted(samples, key=lambda sample: not sample.stopped):  # stable
        first.setdefault(sample.text.strip(), sample)
    return sorted(first.values(), key=lambda sample: sample.number)


def _faults(sample: Sample, config: PostprocessConfig) -> list[Reason]:
    return junk_reasons(sample.text.strip(), config, stopped=sample.stopped)


def _hits(samples: Iterable[Sample], contaminants: Contamination | None) -> dict[int, Hit]:
    """By number, what each sample shares with the test set, where it does."""
    if contaminants is None:
        return {}
    found = ((sample.number, contaminants.hits(sample.text)) for sample in samples)
    return {number: hit for number, hit in found if hit is not None}


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


@dataclass(frozen=True, eq=False)
class _Chosen:
    labels: Labels
    kept: list[int]
    notes: list[str]
    reduced: Reduced
    spread: SpreadChange | None


def _subsample(
    texts: list[str], config: PostprocessConfig, seed: int, embed: Embed | None
) -> _Chosen:
    """TF-IDF → SVD → mini-batch k-means → round robin."""
    reduced = tfidf_svd(
        texts, components=config.components, seed=derive_seed(seed, "postprocess", "svd")
    )
    labels, notes = kmeans_labels(
        reduced.vectors, config.clusters, seed=derive_seed(seed, "postprocess", "clusters")
    )
    told = [*reduced.notes, *notes]
    wanted = config.keep if config.keep is not None else (len(texts) + 1) // 2
    if wanted > len(texts):
        told.append(f"{len(texts)} candidates instead of {wanted}: no more are left")
    kept = round_robin(labels, wanted, generator(seed, "postprocess", "round robin"))
    spread = None
    if kept:
        spread = spread_change(
            texts,
            labels,
            kept,
            vectors=reduced.vectors if embed is None else embed(texts),
            rng=generator(seed, "postprocess", "spread"),
        )
    return _Chosen(labels, kept, told, reduced, spread)
