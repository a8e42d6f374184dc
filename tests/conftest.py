"""What all tests share: how hypothesis searches, and how many threads tiny models have.

A time for each example says how busy the machine is, not whether the code is right, so there is
none. The examples follow from the test itself, the same on every machine: a failure repeats, and
no change fails over a rare case that it has nothing to do with. To look for new ones:

    python -m pytest --hypothesis-profile search tests/test_X.py
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search",
    deadline=None,
    max_examples=1000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from a second thread, and a loaded machine loses much.

    So do processes of their own, with whose results theirs are compared.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
