"""What a run computes beside its calls, for whoever watches."""

from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """One line of text; "" where nothing is computed."""

    def __init__(self) -> None:
        self.text = ""

    @contextmanager
    def stage(self, text: str) -> Iterator[None]:
        """Show `text` until the block ends."""
        self.text = text
        try:
            yield
        finally:
            self.text = ""
