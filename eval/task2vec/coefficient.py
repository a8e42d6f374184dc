"""Task2Vec diversity coefficient (Lee, Miranda et al. 2023, arXiv 2306.13840).

Random batches of texts; for each the head of a language model is fine-tuned on it and the diagonal
of the Fisher information taken, averaged over each filter; the coefficient is the mean distance of
two batches. Values are comparable within one probe and one setting alone.

Two forms:

- `corrected`: labels are scored where they were drawn, padding does not count, the model is in eval
  mode, squares are scaled to those of single tokens and taken a text at a time, which is less
  noise than a batch at a time; equal batches count with distance 0, each batch has its own seed,
  several labels are drawn.
- `published`: what the released code computes (alycialee/beyond-scale-language-data-diversity):
  a label drawn for one place is scored at the place before it, drawn labels are not masked, dropout
  is on, gradients are of a batch's mean, pairs with distance 0 are left out.

Drawing labels makes two embeddings of one batch differ: `detail.noise_floor` is their distance.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metasynth.eval.metric import Measurement, undefined
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed, generator

from .fisher import FisherOptions, fisher_embedding

Floats = NDArray[np.float64]
Form = Literal["corrected", "published"]

_TINY = 1e-8  # of the published distance


@dataclass(frozen=True)
class Task2VecSettings:
    """How the coefficient is measured; the paper's are 200 batches of 512 texts and 10 epochs.

    Attributes:
        batches: Random batches, each without a text twice.
        texts: Of a batch; fewer where there are fewer.
        max_tokens: Of a text that are read.
        epochs: Of the head's fine-tuning.
        learning_rate: Of AdamW.
        rows: Texts of one step of the fine-tuning (published: of the Fisher information too).
        draws: Labels drawn for each place (published: 1).
        floor_batches: Batches that are embedded twice for the noise floor.
        seed: With a batch's number, decides the batch and its labels.
    """

    form: Form = "corrected"
    batches: int = 10
    texts: int = 16
    max_tokens: int = 128
    epochs: int = 1
    learning_rate: float = 5e-5
    rows: int = 8
    draws: int = 4
    floor_batches: int = 2
    seed: int = 0


def task2vec_diversity(
    lm: LoadedLM,
    texts: Sequence[str],
    settings: Task2VecSettings | None = None,
    *,
    on_batch: Callable[[int, int], object] | None = None,
) -> Measurement:
    """The diversity coefficient of texts, 0 to 1; `lm` stays as it is.

    Args:
        lm: The probe network: any causal language model.
        texts: The corpus.
        settings: See `Task2VecSettings`.
        on_batch: Called with the batches done and all of them.
    """
    settings = settings or Task2VecSettings()
    shown = {"probe": lm.name, **asdict(settings)}
    if len(texts) < 2:
        return undefined(f"needs two texts, there are {len(texts)}", len(texts), shown)
    size = min(settings.texts, len(texts) - 1)  # a batch of all texts has no other one
    encoded = [_encoded(lm, text, settings.max_tokens) for text in texts]
    usable = [row for row in encoded if len(row) > 1]
    if len(usable) <= size:
        return undefined("fewer than two texts have two tokens", len(texts), shown)
    embeddings: list[Floats] = []
    floors: list[float] = []
    for number in range(settings.batches):
        rng = generator(settings.seed, "task2vec", number)
        batch = rng.sample(usable, size)
        embeddings.append(_embedded(lm, batch, settings, number))
        if number < settings.floor_batches:
            again = _embedded(lm, batch, settings, number, other_labels=True)
            floors.append(scaled_distance(embeddings[-1], again))
        if on_batch is not None:
            on_batch(number + 1, settings.batches)
    return _coefficient(embeddings, floors, settings, {**shown, "texts": size}, len(texts))


def _coefficient(
    embeddings: Sequence[Floats],
    floors: Sequence[float],
    settings: Task2VecSettings,
    shown: dict[str, object],
    n: int,
) -> Measurement:
    distances = [scaled_distance(one, other) for one, other in combinations(embeddings, 2)]
    if settings.form == "published":
        distances = [distance for distance in distances if distance != 0.0]
    if not distances:
        return undefined("there is no pair of batches to compare", n, shown)
    detail: dict[str, object] = {
        "pairs": len(distances),
        "sd_of_pairs": float(np.std(distances)),
        "noise_floor": float(np.mean(floors)) if floors else None,
        "embedding_size": len(embeddings[0]),
    }
    return Measurement(float(np.mean(distances)), n, shown, detail)


def scaled_distance(one: Floats, other: Floats) -> float:
    """Cosine distance of f0 / (f0 + f1) and f1 / (f0 + f1), each by entry; 0 to 1.

    Not the plain cosine: every filter weighs alike, however large its entries are.
    """
    total = one + other + _TINY
    first, second = one / total, other / total
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    if lengths == 0:
        return 0.0
    distance = 1 - float(first @ second) / lengths
    return max(distance, 0.0) if distance > 1e-12 else 0.0


def _encoded(lm: LoadedLM, text: str, most: int) -> list[int]:
    ids = lm.tokenizer(text, add_special_tokens=False, truncation=True, max_length=most)
    return list(ids["input_ids"])[: min(most, lm.context_length)]


def _embedded(
    lm: LoadedLM,
    batch: Sequence[list[int]],
    settings: Task2VecSettings,
    number: int,
    *,
    other_labels: bool = False,
) -> Floats:
    published = settings.form == "published"
    options = FisherOptions(
        published=published,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        rows=settings.rows,
        fisher_rows=settings.rows if published else 1,
        draws=1 if published else settings.draws,
        width=settings.max_tokens,
        seed=derive_seed(settings.seed, "labels", number, int(other_labels)),
    )
    return fisher_embedding(lm, batch, options)
