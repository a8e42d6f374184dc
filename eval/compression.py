"""Compression ratio: how much shorter the texts get when repeats are written once.

gzip (DEFLATE) looks back 32 KiB, so repeats that lie further apart are not seen: xz with a wide
window stands beside it. Both depend on the order of the texts, a little, and on the size of the
corpus, much below some hundred texts. Scripts of several bytes a character gain bytes: ratios of
different languages are not comparable. (Shaib et al. 2024, arXiv 2403.00553.)
"""

from collections.abc import Callable, Sequence

from metasynth.eval.metric import Measurement, undefined


def ratio_of_bytes(
    texts: Sequence[str],
    separator: str,
    settings: dict[str, object],
    shrink: Callable[[bytes], bytes],
) -> Measurement:
    """Bytes of the texts in UTF-8 / bytes that `shrink` makes of them.

    Args:
        texts: The corpus.
        separator: Between two texts.
        settings: Of the measurement.
        shrink: The compression.
    """
    data = separator.join(texts).encode("utf-8", "surrogatepass")
    if not any(texts):
        return undefined("there is no text", len(texts), settings)
    shrunk = len(shrink(data))
    return Measurement(
        len(data) / shrunk, len(texts), settings, {"bytes": len(data), "compressed": shrunk}
    )
