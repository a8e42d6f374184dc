"""Long texts cut into chunks, between sections, paragraphs or sentences, with some overlap.

A token is taken for four bytes of UTF-8, whatever model reads the text, so that a chunk, and with
it a run's identity, depends on the text alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from metasynth.text.words import count_words

from .markdown import Heading, headings
from .passage import Passage

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

_BYTES_OF_A_TOKEN = 4
_WITH_HEADINGS = ("markdown", "html", "docx", "pptx", "xlsx", "epub")


@dataclass(frozen=True)
class ChunkLimits:
    """How long a chunk may be.

    Attributes:
        tokens: At most, by estimate.
        overlap: Tokens that a chunk may repeat of the one before.
        words: At most.
    """

    tokens: int
    overlap: int
    words: int

    @property
    def capacity(self) -> int:
        """The largest `size`: the smaller limit, for the splitter takes no size above the bytes."""
        return min(self.tokens, self.words)

    def size(self, text: str) -> int:
        """The share of the nearer limit that a text takes, in parts of `capacity`."""
        tokens = -(-len(text.encode("utf-8", "replace")) // _BYTES_OF_A_TOKEN)
        by_tokens = -(-tokens * self.capacity // self.tokens)
        if by_tokens > self.capacity:
            return by_tokens
        return max(by_tokens, -(-count_words(text) * self.capacity // self.words))


def chunked(passages: Iterable[Passage], limits: ChunkLimits) -> Iterator[Passage]:
    """The passages of one file, those that are too long cut; blank ones are gone.

    A chunk that begins in the middle of a section has the headings above it before it, in a line of
    its own; `place` says where its own text stands.
    """
    path: list[Heading] = []  # the headings above what comes next
    for passage in passages:
        if passage.place.row is not None or passage.place.page is not None:
            path = []
        has_headings = passage.place.kind in _WITH_HEADINGS
        marks = list(headings(passage.text)) if has_headings else []
        pieces = list(_pieces(passage, limits))
        for number, (start, text) in enumerate(pieces):
            end = start + len(text)
            while marks and marks[0].start < start:
                path = _below(path, marks.pop(0))
            above = path
            while (
                marks
                and marks[0].start < end
                and _only_headings(text[: max(0, marks[0].start - start)])
            ):
                path = _below(path, marks.pop(0))
            if _only_headings(text) and number + 1 < len(pieces):
                continue  # the next one has them before it
            yield _chunk(passage, text, start, end, above=above, own=path)
        for mark in marks:
            path = _below(path, mark)


def _chunk(
    passage: Passage,
    text: str,
    start: int,
    end: int,
    *,
    above: list[Heading],
    own: list[Heading],
) -> Passage:
    heading = " > ".join(mark.title for mark in own)
    place = replace(
        passage.place,
        heading=heading,
        start=passage.place.start + start,
        end=passage.place.start + end,
    )
    before = " > ".join(mark.title for mark in own if mark in above)
    return Passage(f"{before}\n\n{text}" if before else text, place, passage.metadata)


def _below(path: list[Heading], heading: Heading) -> list[Heading]:
    return [*(mark for mark in path if mark.depth < heading.depth), heading]


def _pieces(passage: Passage, limits: ChunkLimits) -> Iterator[tuple[int, str]]:
    """Where each piece of a text starts, and the piece without blanks around it."""
    text = passage.text
    if limits.size(text) <= limits.capacity:
        stripped = text.strip()
        if stripped:
            yield text.index(stripped), stripped
        return
    for start, piece in _splitter(limits, passage.place.kind in _WITH_HEADINGS).chunk_indices(text):
        if piece.strip():
            yield start, piece


@lru_cache(maxsize=4)
def _splitter(limits: ChunkLimits, is_markdown: bool) -> "MarkdownSplitter | TextSplitter":
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    splitter = MarkdownSplitter if is_markdown else TextSplitter
    overlap = limits.overlap * limits.capacity // limits.tokens
    return splitter.from_callback(limits.size, limits.capacity, overlap)


def _only_headings(text: str) -> bool:
    return all(line.lstrip().startswith("#") for line in text.splitlines() if line.strip())
