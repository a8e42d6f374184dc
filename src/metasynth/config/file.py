"""Reading a run file: YAML, what it extends, `--set` overrides, and what is wrong with it."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from metasynth.errors import ConfigError
from metasynth.yaml_text import YAMLTextError, parse_yaml, read_yaml

from .checks import CODES
from .paths import check_paths, resolve_paths
from .run import RunConfig
from .softsrv import SoftSRVConfig

_SHOWN = 200  # characters of an override in a message


def load_run_config(path: Path | str, overrides: Sequence[str] = ()) -> RunConfig:
    """The run file at `path` with `--set key.path=value` overrides applied.

    Raises:
        ConfigError: The file cannot be read (code `missing_file` where there is none) or is not a
            valid run file (`unknown_key`, `missing_key`, `invalid_value`); names file and key.
    """
    return changed_run_config(_read(Path(path), seen=()), overrides, where=path)


def changed_run_config(
    data: dict[str, Any], overrides: Sequence[str] = (), *, where: Path | str
) -> RunConfig:
    """What a run file with the sections `data` says; arguments and errors as above.

    Args:
        where: Names the file in messages.
    """
    for override in overrides:
        _override(data, override, where)
    return _validated(data, where)


def load_softsrv_config(
    path: Path | str | None,
    overrides: Sequence[str] = (),
    *,
    options: Mapping[str, Any] | None = None,
) -> SoftSRVConfig:
    """SoftSRV's settings alone: from a file with its keys, or from the section of a run file.

    Args:
        path: The file; None starts from the defaults.
        overrides: `key.path=value`, keys as in the section.
        options: Values by `key.path`, which go before all others.

    Raises:
        ConfigError: The file cannot be read or a key is wrong; names file and key.
    """
    data = {} if path is None else _section_of(_read(Path(path), seen=()), Path(path))
    return changed_softsrv_config(
        data, overrides, options=options, where="softsrv" if path is None else str(path)
    )


def changed_softsrv_config(
    data: dict[str, Any],
    overrides: Sequence[str] = (),
    *,
    options: Mapping[str, Any] | None = None,
    where: str,
) -> SoftSRVConfig:
    """The settings in `data` with overrides and options; arguments and errors as above."""
    for override in overrides:
        _override(data, override, where)
    for key, value in (options or {}).items():
        _place(data, key, value, f"--set {key}")
    try:
        return SoftSRVConfig.model_validate(data)
    except ValidationError as error:
        raise _refusal(error, where, SoftSRVConfig) from None


def plugins_of(path: Path | str) -> tuple[Path, ...]:
    """The directories of own parts that a run file names; `load_softsrv_config` reads none.

    Raises:
        ConfigError: The file cannot be read, or `plugins` is no list of paths.
    """
    value = _read(Path(path), seen=()).get("plugins", ())
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise ConfigError(
            f"{path}: plugins: expected a directory or a list of them, got {value!r}",
            code="invalid_value",
        )
    return tuple(Path(each) for each in values)


def _section_of(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The section `softsrv` of a run file with the run's seed; of another file, all of it."""
    if "softsrv" not in data and "domain" not in data:
        return data
    section = data.get("softsrv") or {}
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path}: softsrv: expected a mapping, got {type(section).__name__}",
            code="invalid_value",
        )
    if "random_seed" in data:
        section = {"random_seed": data["random_seed"], **section}
    return section


def _read(path: Path, *, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The mapping in `path` over the one that it extends; relative paths become absolute."""
    resolved = Path(os.path.realpath(path))  # which a loop of links does not stop
    if resolved in seen:
        raise ConfigError(f"{path}: extends itself", code="invalid_value")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: expected a mapping of sections, got {type(data).__name__}",
            code="invalid_value",
        )
    data = {key: value for key, value in data.items() if value is not None or not _section(key)}
    for section in (RunConfig, SoftSRVConfig):  # or a file of SoftSRV's settings alone
        resolve_paths(data, section, resolved.parent)
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends: expected a path, got {base!r}", code="invalid_value")
    return _merged(_read(resolved.parent / base, seen=(*seen, resolved)), data)


def _section(key: object) -> bool:
    """Whether the key is that of a section; an empty one in a file says nothing."""
    field = RunConfig.model_fields.get(str(key))
    kind = field.annotation if field is not None else None
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def _override(data: dict[str, Any], override: str, path: Path | str) -> None:
    key, separator, text = override.partition("=")
    where = f"{path}: --set {override if len(override) < _SHOWN else f'{override[:_SHOWN]}…'}"
    if not separator or not key:
        raise ConfigError(f"{where}: expected key.path=value", code="invalid_value")
    if key == "extends":
        raise ConfigError(
            f"{where}: what a run file extends stands in the file alone", code="invalid_value"
        )
    try:
        value = parse_yaml(text, where=where)
    except YAMLTextError as error:
        raise ConfigError(
            f"{where}: the value is not YAML: {error.problem}", code=error.code
        ) from None
    _place(data, key, value, where)


def _place(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value where its path of keys leads."""
    *parents, last = key.split(".")
    place = data
    for name in parents:
        child = place.setdefault(name, {})
        if place is data and name == "domain" and isinstance(child, str):
            child = place[name] = {"name": child}
        if not isinstance(child, dict):
            raise ConfigError(f"{where}: {name} is not a section", code="invalid_value")
        place = child
    place[last] = value


def _validated(data: Mapping[str, Any], path: Path | str) -> RunConfig:
    try:
        config = RunConfig.model_validate(data)
    except ValidationError as error:
        raise _refusal(error, path, RunConfig) from None
    check_paths(config, path)
    return config


def _refusal(error: ValidationError, where: Path | str, root: type[BaseModel]) -> ConfigError:
    """All problems that pydantic found, in one line, with the code of the first."""
    codes = {
        "extra_forbidden": "unknown_key",
        "missing": "missing_key",
        **{code: code for code in CODES},
    }
    problems = error.errors()
    return ConfigError(
        f"{where}: " + "; ".join(_problem(dict(each), root) for each in problems),
        code=codes.get(problems[0]["type"], "invalid_value"),
    )


def _problem(error: Mapping[str, Any], root: type[BaseModel]) -> str:
    """One problem that pydantic found, said with the path of its key."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _keys(location[:-1], root), n=1)
        return f"{key}: unknown key" + (f" (did you mean {close[0]!r}?)" if close else "")
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "this key is needed"
    return f"{key}: {message}" if key else message


def _keys(location: Sequence[str], root: type[BaseModel]) -> list[str]:
    """The keys that are allowed in the section at `location`."""
    model = root
    for name in location:
        field = model.model_fields.get(name)
        if field is None:
            return []
        candidates = [field.annotation, *get_args(field.annotation)]
        sections = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return [*model.model_fields, *(["extends"] if model is RunConfig else [])]
