"""The paths in a run file: resolved where it is read, and checked where it is whole."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from metasynth.errors import ConfigError

from .marks import RelativeToFile, marked, marked_fields


def resolve_paths(data: dict[str, Any], section: type[BaseModel], folder: Path) -> None:
    """Make the paths in a file's data absolute, wherever the command is started.

    Args:
        data: What the file says, changed in place.
        section: Whose keys they are; what has another form than it says is left alone.
        folder: Of the file.
    """
    for (*parents, last), mark in marked_fields(section, RelativeToFile):
        place: Any = data
        for key in parents:
            place = place.get(key) if isinstance(place, dict) else None
        value = place.get(last) if isinstance(place, dict) else None
        if isinstance(value, str):
            place[last] = mark.resolve(value, folder)
        elif isinstance(value, list):
            place[last] = [
                mark.resolve(each, folder) if isinstance(each, str) else each for each in value
            ]


def check_paths(section: BaseModel, where: Path | str) -> None:
    """Refuse a path that must be there and is not.

    Raises:
        ConfigError: Names the key and the path (code `missing_file` or `missing_directory`).
    """
    for key, value, mark in marked(section, RelativeToFile):
        for each in value if isinstance(value, tuple | list) else (value,):
            path = mark.path_in(str(each)) if each is not None and mark.exists else None
            if path is None:
                continue
            if mark.folder and not path.is_dir():
                told, code = "no such directory", "missing_directory"
            elif not path.exists():
                told, code = "no such file", "missing_file"
            else:
                continue
            raise ConfigError(f"{where}: {key}: {told}: {path}", code=code)
