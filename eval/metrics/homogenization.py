"""Homogenization (Padmakumar and He 2023): the mean ROUGE-L of two texts.

ROUGE-L is 2 LCS / (m + n) over the words. All pairs take quadratic time, so above a limit it is
measured on a seeded sample of the texts; the value does not depend on how many there are.
"""

from collections.abc import Sequence

from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable
from metasynth.randomness import generator

MOST = 200


@metric("homogenization (ROUGE-L)", better="lower", needs=("words", "seed"), place=11)
def homogenization(tokens: TokenTable, seed: int = 0, *, most: int = MOST) -> Measurement:
    """Mean ROUGE-L of two texts.

    F1 over pairs of different texts, 0 to 1; a pair with an empty text has 0. The package
    `rouge-score` keeps the letters a to z and digits alone, so that texts in other scripts have
    no words for it; here they have.

    Args:
        tokens: The texts.
        seed: Decides the sample.
        most: Texts that are compared: a random sample of so many.
    """
    settings = {"score": "ROUGE-L F1", "words": MEANING[tokens.unit], "most": most, "seed": seed}
    if len(tokens) < 2:
        return undefined(f"needs two texts, there are {len(tokens)}", len(tokens), settings)
    if not len(tokens.ids):
        return undefined("there are no words", len(tokens), settings)
    chosen = list(range(len(tokens)))
    if len(chosen) > most:
        chosen = sorted(generator(seed, "homogenization").sample(chosen, most))
    rows = [tokens.ids[tokens.starts[i] : tokens.starts[i + 1]].tolist() for i in chosen]
    total = 0.0
    for place, row in enumerate(rows):
        masks = _masks(row)
        for other in rows[:place]:
            if row and other:
                total += 2 * _common(masks, len(row), other) / (len(row) + len(other))
    pairs = len(rows) * (len(rows) - 1) / 2
    return Measurement(total / pairs, len(rows), settings, {"pairs": int(pairs)})


def _masks(row: Sequence[int]) -> dict[int, int]:
    """For each word the places where it stands, as bits."""
    masks: dict[int, int] = {}
    for place, word in enumerate(row):
        masks[word] = masks.get(word, 0) | 1 << place
    return masks


def _common(masks: dict[int, int], length: int, other: Sequence[int]) -> int:
    """Length of the longest common subsequence, a row of its table at a time in one integer.

    (Hyyrö 2004: a bit is 0 where the row's value rises.)
    """
    full = (1 << length) - 1
    row = full
    for word in other:
        mask = masks.get(word)
        if mask is not None:
            matched = row & mask
            row = ((row + matched) | (row - matched)) & full
    return length - row.bit_count()
