"""`.json`: an array of rows an element at a time, an object, or lines of JSON."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from metasynth.errors import ConfigError

from .jsonl import jsonl_rows
from .lines import MAX_LINE_BYTES, whole_text
from .regular import errors_in, open_utf8
from .row import Row

_BLOCK = 1 << 16
_BLANKS = " \t\r\n"


def json_rows(file: Path, *, encoding: str = "utf-8") -> Iterator[Row]:
    """The rows of a JSON file; of an object that holds one list of objects, those.

    Raises:
        ConfigError: It cannot be read, or is an object that is no JSON or too large.
    """
    with errors_in(file), open_utf8(file, encoding) as content:
        stream = io.TextIOWrapper(content, encoding="utf-8", errors="replace")
        head = ""
        while not head.strip() and (block := stream.read(_BLOCK)):
            head = block
        if head.lstrip().startswith("["):
            yield from _elements(file, stream, head.lstrip()[1:])
            return
    yield from _objects(file, encoding)


def _elements(file: Path, stream: io.TextIOWrapper, buffer: str) -> Iterator[Row]:
    """What stands between the brackets; the memory of one element and a block."""
    decoder, number, size = json.JSONDecoder(), 0, _BLOCK
    ended = False
    while True:
        buffer = buffer.lstrip(_BLANKS + ",")
        if buffer.startswith("]"):
            return
        place = f"{file}, row {number + 1}"
        try:
            value, end = decoder.raw_decode(buffer)
            if end == len(buffer) and not ended:
                raise ValueError  # a number may go on
        except (ValueError, RecursionError):
            block = stream.read(size)
            if ended or not block or len(buffer) > MAX_LINE_BYTES:
                ended = ended or not block
                if ended and buffer and end_of(buffer):
                    continue
                yield Row(place, number + 1, None, "not JSON", "not_json")
                return
            buffer += block
            size = max(_BLOCK, len(buffer))  # so that a long element is not begun too often
            continue
        number, size = number + 1, _BLOCK
        yield Row(place, number, value)
        buffer = buffer[end:]


def end_of(buffer: str) -> bool:
    """Whether nothing but the closing bracket is left."""
    return buffer.strip(_BLANKS + ",") == "]"


def _objects(file: Path, encoding: str) -> Iterator[Row]:
    """Lines of JSON, else one object over many lines."""
    rows = jsonl_rows(file, encoding=encoding)
    first = next(rows, None)
    if first is None:
        return
    if first.problem:
        text = whole_text(file, encoding=encoding, most=MAX_LINE_BYTES)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigError(
                f"{file}, line {first.number}: {first.problem}", code=first.code
            ) from None
        first, rows = Row(f"{file}, row 1", 1, value), iter(())
    second = next(rows, None)
    if second is None:
        yield from _unpacked(file, first)
        return
    yield first
    yield second
    yield from rows


def _unpacked(file: Path, row: Row) -> Iterator[Row]:
    """The objects of the one list in an object, as `{"data": [{}, …]}` has them."""
    if isinstance(row.value, dict):
        lists = [part for part in row.value.values() if _is_rows(part)]
        if len(lists) == 1 and not {"messages", "conversations"} & set(row.value):
            for number, value in enumerate(lists[0], start=1):
                yield Row(f"{file}, row {number}", number, value)
            return
    yield row


def _is_rows(part: object) -> bool:
    return isinstance(part, list) and bool(part) and all(isinstance(one, dict) for one in part)
