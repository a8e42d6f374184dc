"""Diversity that is counted in words: n-gram diversity, self-repetition, phrases of many texts.

All of these move with the size of the corpus: compare at equal texts and equal words alone.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from metasynth.eval.metric import Metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable
from metasynth.text.words import words

_TELLING = 5
_TIMES = 3
_PECULIAR, _FAR = 0.01, 10


def ngram_diversity(tokens: TokenTable, n: int) -> Metric:
    """Distinct n-grams / all n-grams, pooled over the texts, inside texts; above 0 to 1.

    What MetaSynth calls n-gram diversity is not known in detail; the package `diversity` sums this
    ratio over 1 to n on one stream of words (see `ngram_diversity_sum`).
    """
    settings = {"n": n, "words": MEANING[tokens.unit], "scope": "inside texts"}
    grams = tokens.grams(n)
    total = len(grams.numbers)
    if not total:
        return undefined(f"no text has {n} words", len(tokens), settings)
    detail = {"distinct": grams.types, "all": total}
    return Metric(grams.types / total, len(tokens), settings, detail)


def ngram_diversity_sum(texts: Sequence[str], n: int = 4) -> Metric:
    """As the package `diversity` 0.3.1 has it, before it rounds to three decimals.

    The sum over 1 to `n` of distinct / all, on all texts joined by a blank and split at single
    blanks: n-grams cross texts, repeated blanks make empty words, and the order of texts counts.
    """
    settings = {"n": n, "form": "sum over 1 to n, one stream", "as": "diversity 0.3.1"}
    pieces = " ".join(texts).split(" ")
    if len(pieces) < n:
        return undefined(f"there are {len(pieces)} words", len(texts), settings)
    value = 0.0
    for length in range(1, n + 1):
        runs = [tuple(pieces[i : i + length]) for i in range(len(pieces) - length + 1)]
        value += len(set(runs)) / len(runs)
    return Metric(value, len(texts), settings)


def self_repetition(tokens: TokenTable, n: int = 4) -> Metric:
    """Mean over texts of ln(1 + how often their distinct n-grams stand in other texts).

    As in the package `diversity` (Salkar et al. 2022): an n-gram counts once for each other text
    that holds it. From 0 up; it grows with the number of texts.
    """
    settings = {"n": n, "words": MEANING[tokens.unit], "counted": "by texts, once each"}
    if len(tokens) < 2:
        return undefined(f"needs two texts, there are {len(tokens)}", len(tokens), settings)
    grams = tokens.grams(n)
    if not len(grams.numbers):
        return undefined(f"no text has {n} words", len(tokens), settings)
    gram, owner, _ = tokens.by_text(n)
    texts_with = np.bincount(gram, minlength=grams.types)
    elsewhere = np.bincount(owner, weights=texts_with[gram] - 1, minlength=len(tokens))
    return Metric(float(np.log1p(elsewhere).mean()), len(tokens), settings)


def common_phrases(tokens: TokenTable, n: int = 8, *, most: int = 3) -> list[tuple[str, int]]:
    """The runs of `n` words that most texts share, and how many do; none overlaps one before.

    What stands behind a low score, for a person to see: boilerplate, or one template.
    """
    if not len(tokens.grams(n).numbers):
        return []
    texts_with = np.bincount(tokens.by_text(n).numbers)
    first = np.zeros(tokens.grams(n).types, dtype=np.int64)
    first[tokens.grams(n).numbers[::-1]] = tokens.positions(n)[::-1]
    found: list[tuple[str, int]] = []
    seen: set[str] = set()
    for number in np.argsort(-texts_with, kind="stable")[: 40 * most]:
        parts = tokens.words_of(int(first[number]), n)
        if texts_with[number] < 2 or len(found) == most:
            break
        if len(seen.intersection(parts)) <= n // 2:
            found.append((" ".join(parts), int(texts_with[number])))
            seen.update(parts)
    return found


def telling_words(
    texts: Sequence[str], others: Sequence[str], *, most: int = _TELLING
) -> tuple[tuple[str, float], ...]:
    """The words that more of these texts hold than of others, and the share that does.

    Words are left out that more than a third as large a share of the others hold too.
    """
    inside, outside = _texts_with(texts), _texts_with(others)
    lead = {
        word: count / len(texts) - outside[word] / max(1, len(others))
        for word, count in inside.items()
        if count / len(texts) > _TIMES * outside[word] / max(1, len(others))
    }
    best = sorted(lead, key=lambda word: (-lead[word], word))[:most]
    return tuple((word, inside[word] / len(texts)) for word in best)


def peculiar_words(
    texts: Sequence[str], others: Sequence[str], *, most: int = 3
) -> tuple[tuple[str, float], ...]:
    """What makes up at least a hundredth of these texts' words, and hardly any of the others'.

    Split at blanks, as n-grams are: marks of a format (`<unk>`, a comma between blanks) show here.
    """
    inside, outside = (
        Counter(word for text in side for word in text.split()) for side in (texts, others)
    )
    sizes = max(1, inside.total()), max(1, outside.total())
    found = [
        (word, count / sizes[0])
        for word, count in inside.most_common(20 * most)
        if count >= _PECULIAR * sizes[0] and count / sizes[0] > _FAR * outside[word] / sizes[1]
    ]
    return tuple(found[:most])


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update({word for word in words(text) if len(word) > 3})
    return found
