"""Whether a text still has marks of a model's inner workings."""

from .special_tokens import holds_special_tokens
from .thinking import holds_thinking

_BEGIN_MARKS = "<[◁◀"


def holds_marks(text: str) -> bool:
    """Whether thinking or special tokens stand in a text that are not its subject."""
    return any(mark in text for mark in _BEGIN_MARKS) and (
        holds_thinking(text) or holds_special_tokens(text)
    )
