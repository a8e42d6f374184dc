"""Compression by gzip (DEFLATE): repeats that lie more than 32 KiB apart are not seen."""

import gzip
import zlib
from collections.abc import Sequence

from metasynth.eval.compression import ratio_of_bytes
from metasynth.eval.metric import Measurement, metric


@metric("compression ratio", better="lower", place=2)
def compression_ratio(texts: Sequence[str], *, separator: str = "\n") -> Measurement:
    """Bytes of the texts / bytes of their gzip.

    One pass, level 9, without name and time.
    """
    settings: dict[str, object] = {
        "algorithm": f"gzip, level 9, one pass (zlib {zlib.ZLIB_RUNTIME_VERSION})",
        "separator": separator,
        "window_bytes": 2**15,
    }
    return ratio_of_bytes(texts, separator, settings, lambda data: gzip.compress(data, 9, mtime=0))
