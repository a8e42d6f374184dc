"""What texts share, for a person to see what stands behind a score: phrases, words of one side."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from metasynth.text.words import words

from .tokens import TokenTable

_TELLING = 5
_TIMES = 3
_PECULIAR, _FAR = 0.01, 10


def common_phrases(tokens: TokenTable, n: int = 8, *, most: int = 3) -> list[tuple[str, int]]:
    """The runs of `n` words that most texts share, and how many do; none overlaps one before.

    What stands behind a low score, for a person to see: boilerplate, or one template.
    """
    if not len(tokens.grams(n).numbers):
        return []
    texts_with = np.bincount(tokens.by_text(n).numbers)
    first = np.zeros(tokens.grams(n).types, dtype=np.int64)
    first[tokens.grams(n).numbers[::-1]] = tokens.positions(n)[::-1]
    phrases: list[tuple[str, int]] = []
    seen: set[str] = set()
    for number in np.argsort(-texts_with, kind="stable")[: 40 * most]:
        parts = tokens.words_of(int(first[number]), n)
        if texts_with[number] < 2 or len(phrases) == most:
            break
        if len(seen.intersection(parts)) <= n // 2:
            phrases.append((" ".join(parts), int(texts_with[number])))
            seen.update(parts)
    return phrases


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
    peculiar = [
        (word, count / sizes[0])
        for word, count in inside.most_common(20 * most)
        if count >= _PECULIAR * sizes[0] and count / sizes[0] > _FAR * outside[word] / sizes[1]
    ]
    return tuple(peculiar[:most])


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({word for word in words(text) if len(word) > 3})
    return counts
