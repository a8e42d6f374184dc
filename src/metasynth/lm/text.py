"""Text of unknown origin as tokens, so that none of it becomes a special token.

Where the literal of a special token stands in a text, the text is encoded in pieces that part it.
A chat template may cut off or put together what it is given, so the places are marked before the
template sees the text: a character that occurs nowhere follows each one that a literal begins with.
"""

import re
from typing import Any

_PRIVATE_USE = range(0xE000, 0xF8FF)
_LOOKS_LIKE_MARKUP = re.compile(r"\s*(<.+>|\[.+\])\s*", re.DOTALL)


class TextEncoder:
    """Encodes texts, marked or not, with one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._literals = _special_literals(tokenizer)
        first = "".join(sorted({literal[0] for literal in self._literals}))
        self._first_characters = re.compile(f"[{re.escape(first)}]") if first else None

    def unused_mark(self, text: str) -> str:
        """A character that does not occur in `text`."""
        return next(chr(code) for code in _PRIVATE_USE if chr(code) not in text)

    def marked(self, text: str, mark: str) -> str:
        """`text` with a mark behind each character with which a special token's literal begins."""
        if self._first_characters is None:
            return text
        return self._first_characters.sub(lambda match: match[0] + mark, text)

    def encode_marked(self, text: str, mark: str) -> list[int]:
        """The tokens of a text whose parts of unknown origin were marked."""
        ids: list[int] = []
        for piece in _parted(text, mark, self._literals):
            ids += self._tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
        return ids

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, none of them special, none added."""
        mark = self.unused_mark(text)
        return self.encode_marked(self.marked(text, mark), mark)


def _special_literals(tokenizer: Any) -> tuple[str, ...]:
    """The texts that the tokenizer would read as special tokens."""
    return tuple(
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.content and (token.special or _LOOKS_LIKE_MARKUP.fullmatch(token.content))
    )


def _parted(marked: str, mark: str, literals: tuple[str, ...]) -> list[str]:
    """`marked` without its marks, parted at those behind which the literal of a token goes on."""
    chunks = marked.split(mark)
    plain = "".join(chunks)
    cuts, place = [0], 0
    for chunk in chunks[:-1]:
        place += len(chunk)
        if plain.startswith(literals, place - 1):
            cuts.append(place)
    return [plain[a:b] for a, b in zip(cuts, [*cuts[1:], len(plain)], strict=True) if a < b]
