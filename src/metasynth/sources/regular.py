"""Regular files are opened and nothing else: a pipe blocks, a device never ends."""

import codecs
import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from metasynth.errors import ConfigError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK = 1 << 16


def problem_with(path: Path) -> str:
    """Why there is no regular file at a path, in a few words; "" where there is one."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a loop of links"
        return "a link to nothing" if path.is_symlink() else error.strerror or str(error)
    except ValueError:  # a null in the name
        return "no name of a file"
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")


def open_bytes(file: Path) -> BinaryIO:
    """The content of a regular file, unpacked where its name ends with `.gz`.

    Raises:
        ConfigError: It is no regular file (code `unreadable_file`), or cannot be read.
    """
    if problem := problem_with(file):
        raise ConfigError(f"{file}: cannot be read ({problem})", code="unreadable_file")
    # between the question and the opening another may have come to its place
    number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ConfigError(f"{file}: cannot be read (no regular file)", code="unreadable_file")
    plain = os.fdopen(number, "rb")
    return cast(BinaryIO, _Unpacked(plain)) if file.suffix.lower() == ".gz" else plain


class _Unpacked(gzip.GzipFile):
    """Closes the packed file with itself."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def open_utf8(file: Path, encoding: str = "utf-8") -> BinaryIO:
    """The content of a text file as UTF-8 without a byte order mark.

    A mark decides; `encoding` is that of a file without one. UTF-8 is not checked here, so that
    whoever reads lines can name the one that is wrong.

    Raises:
        ConfigError: As `open_bytes`; while reading, bytes that the encoding does not have (code
            `not_utf8`).
    """
    content = cast(io.BufferedReader, open_bytes(file))
    try:
        head = content.peek(4)[:4]
        for mark, name in _MARKS:
            if head.startswith(mark):
                return _recoded(content, file, name)
        if head.startswith(codecs.BOM_UTF8):
            content.read(len(codecs.BOM_UTF8))
        elif codecs.lookup(encoding).name != "utf-8":
            return _recoded(content, file, encoding)
    except BaseException:
        content.close()
        raise
    return cast(BinaryIO, content)


def _recoded(content: io.BufferedReader, file: Path, encoding: str) -> BinaryIO:
    raw: Any = _Recoded(content, file, encoding)
    return io.BufferedReader(raw)


class _Recoded(io.RawIOBase):
    """Bytes of another encoding, read as UTF-8."""

    def __init__(self, content: io.BufferedReader, file: Path, encoding: str) -> None:
        self._content, self._file, self._encoding = content, file, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._content.close()
        super().close()

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        ended = False
        while not self._left and not ended:
            block = self._content.read(_BLOCK)
            ended = not block
            try:
                text = self._decoder.decode(block, final=ended)
            except UnicodeError as error:
                raise ConfigError(
                    f"{self._file}: cannot be read as UTF-8 text, its encoding "
                    f"{self._encoding} does not fit either ({error})",
                    code="not_utf8",
                ) from None
            self._left = text.encode("utf-8", "replace")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def not_utf8(where: object, content: bytes, error: UnicodeDecodeError) -> ConfigError:
    """What is said of bytes that are no UTF-8, with a guess at what they are."""
    around = content[max(0, error.start - 20) : error.start + 20].decode("cp1252", "replace")
    return ConfigError(
        f"{where}: cannot be read as UTF-8 text ({error.reason} at byte {error.start}); as cp1252 "
        f"it reads “{' '.join(around.split())}”",
        hint="if that is right, convert it to UTF-8; for seeds, seeds.encoding: cp1252 does",
        code="not_utf8",
    )


@contextmanager
def errors_in(file: Path, line: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Tell what the system or gzip say of a file in one line.

    Args:
        line: The last one that was read.
    """
    try:
        yield
    except gzip.BadGzipFile as error:
        raise ConfigError(
            f"{file}: a damaged gzip file, cannot be read after line {line()} ({error})",
            code="damaged_file",
        ) from None
    except (EOFError, zlib.error) as error:
        raise ConfigError(
            f"{file}: a damaged gzip file, cut off or damaged after line {line()} ({error})",
            hint="fetch or write the file again",
            code="damaged_file",
        ) from None
    except OSError as error:
        place = f" after line {line()}" if line() else ""
        raise ConfigError(
            f"{file}: cannot be read{place} ({error.strerror or error})", code="unreadable_file"
        ) from None
