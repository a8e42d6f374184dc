"""DOCX, PPTX, XLSX, EPUB and HTML as Markdown, by markitdown.

The converter of each kind is called itself: markitdown's own front guesses kinds with a model, and
follows addresses.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from metasynth.errors import ConfigError
from metasynth.text.words import encodable

from .extra import needs_extra
from .lines import whole_text
from .passage import Passage, Place
from .plain import stretches
from .regular import errors_in, open_bytes

MOST_BYTES = 256 * 2**20  # of a file, and of what is packed in it: such formats are read as a whole
_EMPTY_CELL = re.compile(r"(?<=\| )(?:NaN|Unnamed: \d+)(?= \|)")
_BLANK_LINES = re.compile(r"\n{3,}")


def office_passages(file: Path, *, kind: str, encoding: str = "utf-8") -> Iterator[Passage]:
    """The text of a file as Markdown, with its title where it has one.

    Raises:
        ConfigError: The extra is missing, the file is damaged or larger than memory should hold
            (code `too_large`).
    """
    if kind == "html":
        content = whole_text(file, encoding=encoding, most=MOST_BYTES).encode()
    else:
        with errors_in(file), open_bytes(file) as opened:
            content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{file}: larger than {MOST_BYTES >> 20} MiB", code="too_large")
    with needs_extra(file, kind):
        text, title = _converted(file, kind, content)
    if kind == "xlsx":
        text = _EMPTY_CELL.sub("", text)
    text = encodable(_BLANK_LINES.sub("\n\n", text.replace("\r\n", "\n")).strip())
    metadata = {"title": title} if title else {}
    yield from stretches(Passage(text, Place(str(file), kind, end=len(text)), metadata))


def _converted(file: Path, kind: str, content: bytes) -> tuple[str, str]:
    from markitdown import StreamInfo, converters

    if kind != "html":
        _check_size(file, content)
    converter = {
        "docx": converters.DocxConverter,
        "pptx": converters.PptxConverter,
        "xlsx": converters.XlsxConverter,
        "epub": converters.EpubConverter,
        "html": converters.HtmlConverter,
    }[kind]()
    info = StreamInfo(extension=f".{kind}", charset="utf-8" if kind == "html" else None)
    result = converter.convert(io.BytesIO(content), info)
    return str(result.markdown), str(result.title or "")


def _check_size(file: Path, content: bytes) -> None:
    """A packed file may be a thousand times as large as it looks."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(one.file_size for one in packed.infolist()) > MOST_BYTES:
            raise ConfigError(
                f"{file}: holds more than {MOST_BYTES >> 20} MiB when unpacked", code="too_large"
            )
