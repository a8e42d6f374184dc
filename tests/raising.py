"""Errors by their codes: tests ask for what went wrong, not for the words that tell it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from metasynth.errors import MetaSynthError


@contextmanager
def raises(
    kind: type[MetaSynthError], code: str, *facts: object
) -> Iterator[pytest.ExceptionInfo[MetaSynthError]]:
    """The block raises an error of this kind with this code, told in one line.

    Args:
        kind: The error's class, or one above it.
        code: What went wrong.
        facts: What the message must mention: names, numbers, paths, lines of a file.
    """
    with pytest.raises(kind) as raised:
        yield raised
    error = raised.value
    assert error.code == code, (error.code, error.message)
    assert "\n" not in error.message, error.message
    for fact in facts:
        assert str(fact) in error.message, (fact, error.message)
