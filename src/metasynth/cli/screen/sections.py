"""Options of the command line as a section of a run file."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from metasynth.errors import RequestError

_SECTION = TypeVar("_SECTION", bound=BaseModel)


def checked_section(section: type[_SECTION], values: Mapping[str, Any]) -> _SECTION:
    """The section with these values.

    Raises:
        RequestError: One of them is wrong; it names the option.
    """
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        first: Any = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-") if first["loc"] else section.__name__
        raise RequestError(f"--{name}: {first['msg']} (got {first['input']!r})") from None
