"""Packages of providers leave sessions open that no loop closes; they end with the tests here."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _sessions_of_packages(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.module.__name__:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
