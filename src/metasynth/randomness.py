"""Random choices that depend on names, not on the order in which things happen.

Every generator of a run is derived from `random_seed` and the names of what it is for, so that two
chains never share a stream and a resumed run draws what an undisturbed one would have drawn.
"""

import hashlib
import random


def derive_seed(random_seed: int, *names: str | int) -> int:
    """A 63-bit seed for the generator called `names` of the run with `random_seed`."""
    text = "\x1f".join([str(random_seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(random_seed: int, *names: str | int) -> random.Random:
    """A generator of its own for `names`."""
    return random.Random(derive_seed(random_seed, *names))
