"""Keys of endpoints, as the environment holds them."""

import os

from metasynth.errors import RequestError


def key_from(variable: str) -> str:
    """The key in an environment variable, without the blanks around it; empty where none is set.

    Raises:
        RequestError: It cannot be sent in a header: a placeholder was copied, or more than the key
            (code `bad_key`). The key itself is not in the message.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise RequestError(
            f"{variable} holds no key: a key is of printable ASCII characters",
            hint=f"set {variable} to the key itself; a line break or a placeholder may be in it",
            code="bad_key",
        )
    return key
