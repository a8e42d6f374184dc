"""PDF, a page at a time, by pypdf."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from metasynth.errors import ConfigError
from metasynth.text.words import encodable

from .extra import needs_extra
from .passage import Passage, Place
from .regular import errors_in, open_bytes


def pdf_passages(file: Path, *, note: Callable[[str], None] = lambda _: None) -> Iterator[Passage]:
    """The text of each page that has any.

    Args:
        note: Told how many pages hold no text, as scanned ones do.

    Raises:
        ConfigError: The extra is missing, the file is damaged, or locked by a password (code
            `locked`).
    """
    with errors_in(file), open_bytes(file) as content, needs_extra(file, "pdf"):
        from pypdf import PdfReader

        logging.getLogger("pypdf").setLevel(logging.ERROR)  # it tells of every odd object
        reader = PdfReader(content)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ConfigError(f"{file}: is locked by a password", code="locked")
        title = str((reader.metadata and reader.metadata.title) or "")
        metadata = {"title": encodable(title)} if title else {}
        blank = 0
        for number in range(len(reader.pages)):
            text = encodable(reader.pages[number].extract_text()).strip()
            if text:
                place = Place(str(file), "pdf", page=number + 1, end=len(text))
                yield Passage(text, place, metadata)
            else:
                blank += 1
        if blank:
            note(f"{blank} of {number + 1} pages without text (scanned pages are not read)")
