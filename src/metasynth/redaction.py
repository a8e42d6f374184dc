"""What no trace, log, corpus or report may show: keys, passwords; and where files lie."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from metasynth.errors import MetaSynthError
from metasynth.nested import named_values

HIDDEN = "(not shown)"
_SHORTEST = 8  # of a value that is searched for in texts: a shorter one is no key, and too common
_SECRET_VARIABLE = re.compile(
    r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|PAT)(_|$)",
    re.IGNORECASE,
)
_SECRET_SETTING = re.compile(
    r"(^|[_-])(api[_-]?key|key|token|secret|password|passwd|auth|authorization|credentials?)$",
    re.IGNORECASE,
)
_KEY_SHAPES = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|"
    r"AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,})"
)
_USER_IN_ADDRESS = re.compile(r"(\w+://)[^/\s@]+@")
_HEADERS_VARIABLE = re.compile(r"^OTEL_EXPORTER_OTLP_.*HEADERS$")
_PASSWORD_IN_ADDRESS = re.compile(r"\w+://[^/\s@:]*:([^/\s@]+)@")
_FREE_FORM = {"extra_body"}  # may hold anything that an endpoint asks for
_LEFT_OUT = {"api_key_env"}

E = TypeVar("E", bound=MetaSynthError)
T = TypeVar("T")


class Redactor:
    """Takes secrets out of settings and of everything that is to be shown.

    Args:
        environment: Its variables; those with names such as OPENAI_API_KEY are secret.
        config: The run file, whose models name further variables.
    """

    def __init__(self, environment: Mapping[str, str], config: Mapping[str, Any]) -> None:
        named = {
            str(value) for key, value in named_values(config) if key == "api_key_env" and value
        }
        secrets = {
            value
            for name, value in environment.items()
            if name in named or _SECRET_VARIABLE.search(name)
        }
        secrets |= set(_secret_settings(config))
        for name in environment:
            if _HEADERS_VARIABLE.search(name):  # OTLP's: `name=value,name=value`
                secrets |= {one.partition("=")[2] for one in environment[name].split(",")}
        for address in (*environment.values(), *(v for _, v in named_values(config))):
            if isinstance(address, str) and "://" in address:
                secrets |= set(_passwords(address))
        found = sorted((s for s in secrets if len(s) >= _SHORTEST), key=lambda s: (-len(s), s))
        self._secrets = re.compile("|".join(map(re.escape, found))) if found else None

    def known(self, text: str) -> str:
        """The text without the secrets that are known by their value; nothing else is changed."""
        return self._secrets.sub(HIDDEN, text) if self._secrets is not None else text

    def text(self, text: str) -> str:
        """The text without any secret."""
        text = self.known(text)
        if "://" in text:
            text = _USER_IN_ADDRESS.sub(r"\1", text)
        return _KEY_SHAPES.sub(HIDDEN, text)

    def error(self, error: E) -> E:
        """The same error with a message that is free of secrets."""
        return type(error)(self.text(error.message), hint=error.hint, code=error.code)

    def everywhere(self, data: T) -> T:
        """The same data with every string in it free of secrets."""
        return cast(T, _walk(data, self.text))

    def known_everywhere(self, data: T) -> T:
        """The same data with no secret that is known by its value."""
        return cast(T, _walk(data, self.known)) if self._secrets is not None else data

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A run file for strangers: no free-form values, no key, files by their last names."""
        shown = {}
        for key, value in config.items():
            if key in _LEFT_OUT:
                continue
            if value and (key in _FREE_FORM or _SECRET_SETTING.search(key)):
                shown[key] = HIDDEN
            else:
                shown[key] = self._setting(key, value)
        return shown

    def _setting(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.settings(value)
        if isinstance(value, list):
            return [self._setting(key, one) for one in value]
        if not isinstance(value, str):
            return value
        if "://" in value:
            value = value.partition("?")[0]
        return self.text(_short_path(value))


def _walk(data: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return clean(data)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        changed = {
            field.name: _walk(getattr(data, field.name), clean)
            for field in dataclasses.fields(data)
        }
        return dataclasses.replace(data, **changed)
    if isinstance(data, Mapping):
        return {_walk(key, clean): _walk(value, clean) for key, value in data.items()}
    if isinstance(data, tuple):
        parts = [_walk(part, clean) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else tuple(parts)
    if isinstance(data, list):
        return [_walk(part, clean) for part in data]
    return data


def _passwords(address: str) -> Iterator[str]:
    """The password in an address, as it is written there and as it is meant."""
    for found in _PASSWORD_IN_ADDRESS.findall(address):
        yield from {found, unquote(found)}


def _short_path(value: str) -> str:
    """The last two names of an absolute path: what lies above them says who somebody is."""
    kind, colon, rest = value.partition(":")
    if colon and rest.startswith("/") and not rest.startswith("//"):
        return f"{kind}:{_short_path(rest)}"
    parts = PurePath(value).parts
    if not value.startswith("/") or "\n" in value or len(parts) <= 3:
        return value
    return str(PurePath("…", *parts[-2:]))


def _secret_settings(config: Mapping[str, Any]) -> Iterator[str]:
    """Values that stand in the run file itself, though they should not."""
    for key, value in named_values(config):
        if _SECRET_SETTING.search(key) and isinstance(value, str):
            yield value
        if key in _FREE_FORM:
            yield from (
                one
                for name, one in named_values(value)
                if isinstance(one, str) and _SECRET_SETTING.search(name)
            )
