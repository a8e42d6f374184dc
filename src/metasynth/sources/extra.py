"""The extra `documents`: what reads files that are no text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metasynth.errors import ConfigError

MISSING = "missing_extra"


@contextmanager
def needs_extra(file: Path, kind: str) -> Iterator[None]:
    """Name the extra where a library is missing, and a damaged file in one line.

    Raises:
        ConfigError: The extra is not installed (code `missing_extra`), or the library cannot read
            the file (code `damaged_file`).
    """
    try:
        yield
    except ConfigError:
        raise
    except ImportError:
        raise ConfigError(
            f"{file}: a file of kind {kind} is read by the extra `documents`, which is missing",
            hint="pip install 'metasynth-agents[documents]'",
            code=MISSING,
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # what parsers raise of a damaged file is of any kind
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ConfigError(
            f"{file}: cannot be read as {kind} ({first})", code="damaged_file"
        ) from None
