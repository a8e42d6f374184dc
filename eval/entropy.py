"""How evenly labels are spread."""

from collections import Counter
from collections.abc import Sequence
from math import log2

from metasynth.eval.metric import Measurement, undefined

_SHOWN = 5


def label_entropy(labels: Sequence[str | None], *, what: str) -> Measurement:
    """Entropy in bits of the labels of texts, 0 to log2 of the number of texts.

    It grows with the number of texts, up to that bound. Labels are compared without case and blanks
    around them. `detail` has the effective number of labels (2 to the entropy), the commonest ones,
    and how many texts have none; those are left out.

    Args:
        labels: One a text; None or blank: it has none.
        what: What the labels are, for the reason why there is no value.
    """
    present = [" ".join(label.split()) for label in labels if label and label.strip()]
    settings = {"unit": "bits", "labels": what}
    if not present:
        return undefined(f"no text has a {what}", len(labels), settings)
    spelling: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for label in present:
        counts[spelling.setdefault(label.casefold(), label)] += 1
    total = counts.total()
    entropy = sum(-count / total * log2(count / total) for count in counts.values())
    entropy = abs(entropy)  # a single label gives -0.0
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    detail = {
        "different": len(counts),
        "effective": 2**entropy,
        "without": len(labels) - len(present),
        "commonest": [list(item) for item in common[:_SHOWN]],
    }
    return Measurement(entropy, len(present), settings, detail)
