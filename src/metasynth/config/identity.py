"""What of a run file shapes the texts of a run: neither its pace, nor an address, nor a place.

A value that equals its default is left out, so the hash of a run file that does not speak of a key
stays what it was when the key is new. Paths are left out too: what a run reads of a file, its plan
adds; of models and other files that it reads as a whole the content is hashed here. So a run goes
on when its folder or its server moves.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from metasynth.errors import ConfigError

from .marks import NotIdentity, RelativeToFile

_WHOLE = 1 << 25  # bytes of a file that is hashed as a whole; of a larger one its two ends
_END = 1 << 20


def identity_of(
    section: BaseModel, fields: Collection[str] | None = None, *, defaults: bool = False
) -> dict[str, Any]:
    """The values that shape texts, ready for JSON.

    Args:
        fields: The keys that count; None for all.
        defaults: Keep values that equal their defaults, for whoever shows a difference to people.

    Raises:
        ConfigError: A file cannot be read (code `unreadable_file`).
    """
    data = section.model_dump(mode="json")
    result: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, default = getattr(section, name), field.get_default(call_default_factory=True)
        marks = {type(mark): mark for mark in field.metadata}
        if NotIdentity in marks or (fields is not None and name not in fields):
            continue
        if value == default and not defaults:
            continue
        if isinstance(value, BaseModel):
            inner = identity_of(value, defaults=defaults)
            if defaults or not isinstance(default, BaseModel) or inner != identity_of(default):
                result[name] = inner
        elif RelativeToFile in marks:
            result[name] = _without_place(data[name], marks[RelativeToFile])
        else:
            result[name] = data[name]
    return result


def _without_place(value: Any, mark: RelativeToFile) -> Any:
    if isinstance(value, list):
        return [_without_place(each, mark) for each in value]
    path = None if value is None else mark.path_in(value)
    if path is None:
        return value
    if not (mark.hashed and path.exists()):  # whoever reads it says what is missing
        return mark.without_path(value)
    return f"{mark.without_path(value)} {content_hash(path)}"


def content_hash(path: Path) -> str:
    """Names what a file, or the files of a folder, hold; hidden ones do not count.

    Of a file of more than 32 MiB, such as a model's weights, size and both ends are read alone.

    Raises:
        ConfigError: It cannot be read (code `unreadable_file`).
    """
    digest = hashlib.sha256()
    try:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
        for file in files or [path]:
            place = file.relative_to(path)
            if any(part.startswith(".") for part in place.parts):
                continue
            size = file.stat().st_size
            digest.update(f"{place.as_posix()}\n{size}\n".encode(errors="surrogateescape"))
            with file.open("rb") as content:
                if size <= _WHOLE:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
                else:
                    digest.update(content.read(_END))
                    content.seek(-_END, 2)
                    digest.update(content.read(_END))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror})", code="unreadable_file"
        ) from None
    return digest.hexdigest()[:16]
