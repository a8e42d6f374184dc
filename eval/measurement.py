"""All metrics of one corpus at once, as plain data: what a table or a report is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from metasynth.errors import RequestError
from metasynth.eval.metrics.homogenization import homogenization
from metasynth.eval.metrics.mean_inverse_frequency import WordFrequencies, mean_inverse_frequency
from metasynth.eval.metrics.near_duplicate_rate import near_duplicate_rate
from metasynth.eval.metrics.self_bleu import self_bleu

from .compression import compression_ratio, compression_ratio_xz
from .entropy import label_entropy, opening_entropy
from .geometry import chamfer_distance, remote_clique, unit_rows, vendi_score
from .metric import METRICS, Metric, undefined
from .phrases import common_phrases, ngram_diversity, self_repetition
from .tokens import tokenise

Probe = Callable[[Sequence[str]], Metric]


@dataclass(frozen=True)
class Labels:
    """What texts are labelled with, one each; blank: none."""

    topics: Sequence[str] = ()
    personas: Sequence[str] = ()


def measure(
    texts: Sequence[str],
    *,
    vectors: ArrayLike | None = None,
    labels: Labels | None = None,
    reference: WordFrequencies | None = None,
    probe: Probe | None = None,
    seed: int = 0,
) -> dict[str, Metric]:
    """Every metric of `METRICS`, in its order; what is not defined has a reason.

    Args:
        texts: The corpus, in a fixed order (compression depends on it a little).
        vectors: Embeddings, a row a text.
        labels: Topics and personas.
        reference: For the mean inverse frequency.
        probe: Gives the Task2Vec coefficient of texts (see `task2vec`).
        seed: Of what is sampled.

    Raises:
        RequestError: Vectors with NaN or a zero row, or not one a text.
    """
    found = {
        **_of_words(texts, reference, seed),
        **_of_vectors(len(texts), vectors),
        **_of_labels(len(texts), labels or Labels()),
    }
    if probe is not None:
        found["task2vec"] = probe(texts)
    else:
        found["task2vec"] = undefined("no probe network was given", len(texts))
    return {name: found[name] for name in METRICS}


def measured(
    texts: Sequence[str],
    *,
    vectors: ArrayLike | None = None,
    labels: Labels | None = None,
    reference: WordFrequencies | None = None,
    probe: Probe | None = None,
    seed: int = 0,
) -> dict[str, object]:
    """As `measure`, as data that JSON can hold.

    Returns:
        `texts`, `words`, `characters`: the size; `metrics`: by name value, reason, n, settings and
        detail, with title, direction (`better`), meaning and family; `phrases`: runs of eight words
        that most texts share, and how many do.
    """
    metrics = measure(
        texts, vectors=vectors, labels=labels, reference=reference, probe=probe, seed=seed
    )
    tokens = tokenise(texts)
    return {
        "texts": len(texts),
        "words": len(tokens.ids),
        "characters": sum(map(len, texts)),
        "metrics": {name: {**shown(name), **metrics[name].plain()} for name in metrics},
        "phrases": [list(phrase) for phrase in common_phrases(tokens)],
    }


def shown(name: str) -> dict[str, object]:
    """How a metric is shown: title, better, meaning, family."""
    return dict(METRICS[name]._asdict())


def _of_words(
    texts: Sequence[str], reference: WordFrequencies | None, seed: int
) -> Mapping[str, Metric]:
    plain = tokenise(texts, "words")
    found = {
        "mean_inverse_frequency": mean_inverse_frequency(plain, reference),
        "homogenization": homogenization(plain, seed=seed),
    }
    del plain
    tokens = tokenise(texts)
    return {
        **found,
        "compression_ratio": compression_ratio(texts),
        "compression_ratio_xz": compression_ratio_xz(texts),
        "ngram_diversity_1": ngram_diversity(tokens, 1),
        "self_bleu": self_bleu(tokens),
        "ngram_diversity_4": ngram_diversity(tokens, 4),
        "self_repetition": self_repetition(tokens),
        "near_duplicate_rate": near_duplicate_rate(texts),
        "opening_entropy": opening_entropy(texts),
    }


def _of_vectors(n: int, vectors: ArrayLike | None) -> Mapping[str, Metric]:
    names = ("remote_clique", "chamfer_distance", "vendi_score")
    if vectors is None:
        return {name: undefined("no vectors were given", n) for name in names}
    rows = unit_rows(vectors)
    if len(rows) != n:
        raise RequestError(f"{n} texts need as many vectors, there are {len(rows)}")
    found = (remote_clique(rows), chamfer_distance(rows), vendi_score(rows))
    return dict(zip(names, found, strict=True))


def _of_labels(n: int, labels: Labels) -> Mapping[str, Metric]:
    found = {}
    for name, given in (("topic", labels.topics), ("persona", labels.personas)):
        if given and len(given) != n:
            raise RequestError(f"{n} texts need as many {name} labels, there are {len(given)}")
        found[f"{name}_entropy"] = label_entropy(given or [""] * n, what=name)
    return found
