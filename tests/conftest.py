"""What all tests share: how hypothesis searches.

A time for each example says how busy the machine is, not whether the code is right, so there is
none. The examples follow from the test itself, the same on every machine: a failure repeats, and
no change fails over a rare case that it has nothing to do with. To look for new ones:

    python -m pytest --hypothesis-profile search tests/test_X.py
"""

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
