"""Compression by xz, with a window that holds most corpora as a whole."""

import lzma
from collections.abc import Sequence

from metasynth.eval.compression import ratio_of_bytes
from metasynth.eval.metric import Measurement, metric

_PRESET = 1
_WINDOW = 2**25  # bytes that xz looks back


@metric("compression ratio (xz)", better="lower", place=9)
def compression_ratio_xz(texts: Sequence[str], *, separator: str = "\n") -> Measurement:
    """As with gzip, but far repeats are seen too."""
    settings: dict[str, object] = {
        "algorithm": f"xz, preset {_PRESET}",
        "separator": separator,
        "window_bytes": _WINDOW,
    }

    def shrink(data: bytes) -> bytes:
        # no wider than the data: the window is set up each time, which takes longer than small data
        window = min(_WINDOW, max(2**12, len(data)))
        xz = {"id": lzma.FILTER_LZMA2, "preset": _PRESET, "dict_size": window}
        return lzma.compress(data, filters=[xz])

    return ratio_of_bytes(texts, separator, settings, shrink)
