"""Compression ratio: how much shorter the texts get when repeats are written once.

gzip (DEFLATE) looks back 32 KiB, so repeats that lie further apart are not seen: xz with a wide
window stands beside it. Both depend on the order of the texts, a little, and on the size of the
corpus, much below some hundred texts. Scripts of several bytes a character gain bytes: ratios of
different languages are not comparable. (Shaib et al. 2024, arXiv 2403.00553.)
"""

import gzip
import lzma
import zlib
from collections.abc import Callable, Sequence

from metasynth.eval.metric import Metric, undefined

_XZ_PRESET = 1
_XZ_WINDOW = 2**25  # bytes that xz looks back


def compression_ratio(texts: Sequence[str], *, separator: str = "\n") -> Metric:
    """Bytes of the texts in UTF-8 / bytes of one pass of gzip, level 9, without name and time."""
    settings: dict[str, object] = {
        "algorithm": f"gzip, level 9, one pass (zlib {zlib.ZLIB_RUNTIME_VERSION})",
        "separator": separator,
        "window_bytes": 2**15,
    }
    return _ratio(texts, separator, settings, lambda data: gzip.compress(data, 9, mtime=0))


def compression_ratio_xz(texts: Sequence[str], *, separator: str = "\n") -> Metric:
    """As `compression_ratio`, with a window that holds most corpora as a whole."""
    settings: dict[str, object] = {
        "algorithm": f"xz, preset {_XZ_PRESET}",
        "separator": separator,
        "window_bytes": _XZ_WINDOW,
    }

    def shrink(data: bytes) -> bytes:
        # no wider than the data: the window is set up each time, which takes longer than small data
        window = min(_XZ_WINDOW, max(2**12, len(data)))
        xz = {"id": lzma.FILTER_LZMA2, "preset": _XZ_PRESET, "dict_size": window}
        return lzma.compress(data, filters=[xz])

    return _ratio(texts, separator, settings, shrink)


def compression_ratio_twice(texts: Sequence[str]) -> Metric:
    """As the package `diversity` 0.3.1 has it, before it rounds: gzip of gzip.

    Its own value moves by some bytes with the clock and with the file's name, which the headers
    hold; here the time is 0, and the outer name counts, as there, with eleven bytes.
    """
    settings: dict[str, object] = {
        "algorithm": "gzip of gzip, level 9",
        "separator": " ",
        "as": "diversity 0.3.1",
    }

    def twice(data: bytes) -> bytes:
        return gzip.compress(gzip.compress(data, 9, mtime=0), 9, mtime=0) + b"compressed\0"

    return _ratio(texts, " ", settings, twice)


def _ratio(
    texts: Sequence[str],
    separator: str,
    settings: dict[str, object],
    shrink: Callable[[bytes], bytes],
) -> Metric:
    data = separator.join(texts).encode("utf-8", "surrogatepass")
    if not any(texts):
        return undefined("there is no text", len(texts), settings)
    shrunk = len(shrink(data))
    return Metric(
        len(data) / shrunk, len(texts), settings, {"bytes": len(data), "compressed": shrunk}
    )
