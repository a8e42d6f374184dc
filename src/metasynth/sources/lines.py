"""A file a line at a time, whatever its encoding; no line is longer than memory should hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from metasynth.errors import ConfigError

from .regular import errors_in, not_utf8, open_utf8

MAX_LINE_BYTES = 16 * 2**20


class Line(NamedTuple):
    """A line with its number, from 1, and its end.

    Attributes:
        problem: Why it has no text; "" where it has.
        code: Of the problem: `long_line` or `not_utf8`.
    """

    number: int
    text: str
    problem: str = ""
    code: str = ""


def lines(file: Path, *, encoding: str = "utf-8", most: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """The lines of a text file, gzipped or not; only a line feed ends one.

    Raises:
        ConfigError: The file cannot be read.
    """
    number = 0
    with errors_in(file, lambda: number), open_utf8(file, encoding) as content:
        while line := content.readline(most + 1):
            number += 1
            if len(line) > most:
                while line and not line.endswith(b"\n"):
                    line = content.readline(most)
                yield Line(number, "", f"longer than {most >> 20} MiB", "long_line")
                continue
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                yield Line(number, "", "not UTF-8", "not_utf8")
            else:
                yield Line(number, text)


def whole_text(file: Path, *, encoding: str = "utf-8", most: int | None = None) -> str:
    """The text of a file, with line feeds alone.

    Raises:
        ConfigError: It cannot be read, is no text (code `not_utf8`), or has more than `most` bytes
            (code `too_large`).
    """
    with errors_in(file), open_utf8(file, encoding) as content:
        data = content.read() if most is None else content.read(most + 1)
    if most is not None and len(data) > most:
        raise ConfigError(f"{file}: larger than {most >> 20} MiB", code="too_large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(file, data, error) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
