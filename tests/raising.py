"""Errors by their codes: tests ask for what went wrong, not for the words that tell it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from metasynth.errors import MetaSynthError


@contextmanager
def raises(kind: type[MetaSynthError], code: str) -> Iterator[pytest.ExceptionInfo[MetaSynthError]]:
    """The block raises an error of this kind with this code."""
    with pytest.raises(kind) as raised:
        yield raised
    assert raised.value.code == code, raised.value
