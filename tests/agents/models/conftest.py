"""Packages of providers close none of their clients, so what they left open is closed here."""

import gc
import warnings
from collections.abc import Iterator

import aiohttp
import httpx
import httpx2
import pytest

from metasynth.agents.models.background_loop import background_loop
from metasynth.agents.models.openai.client import LoopClient

OURS = (httpx2.AsyncClient, LoopClient)  # what packages derive from the first is theirs


@pytest.fixture(scope="module")
def clients_of_packages() -> Iterator[None]:
    """What the packages make in a module of tests ends with it."""
    yield
    background_loop().run(_close_clients())
    with warnings.catch_warnings():  # of connections whose client is gone already
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def _close_clients() -> None:
    """On the loop that all of them were used on."""
    for each in gc.get_objects():
        kind = type(each)
        if issubclass(kind, httpx.AsyncClient | httpx2.AsyncClient) and kind not in OURS:
            await each.aclose()
        elif issubclass(kind, aiohttp.ClientSession):
            await each.close()
