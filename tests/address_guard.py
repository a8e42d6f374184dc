"""Imported first in a process, it writes down every address that the process then speaks to.

It hears what goes through Python's `socket` module, look-ups of names included.
"""

import os
import sys
from typing import Any

PATH_VARIABLE = "METASYNTH_TEST_ADDRESSES"


def _note_addresses(path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            os.write(file, f"{args[0]}\n".encode())
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[-1]
            if isinstance(address, tuple):  # others are files of this machine
                os.write(file, f"{address[0]}\n".encode())

    sys.addaudithook(hook)


if PATH_VARIABLE in os.environ:
    _note_addresses(os.environ[PATH_VARIABLE])
