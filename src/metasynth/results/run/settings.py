"""Which settings of a run a report shows: those that differ from their defaults."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from metasynth.config.run import RunConfig
from metasynth.eval.report.data import Fact


def changed_settings(config: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The settings of a run file that differ from the defaults, by their path of keys.

    A section that is off without a word in the run file is compared with its own defaults; where
    nothing differs, it is said that it is there.
    """
    return tuple(_changed(config, _defaults(RunConfig), RunConfig, ""))


def _changed(
    given: Mapping[str, Any], defaults: Mapping[str, Any], model: type[BaseModel] | None, path: str
) -> Iterator[Fact]:
    for key, value in given.items():
        default, inner = defaults.get(key), None if model is None else _section(model, key)
        name = f"{path}{key}"
        if isinstance(value, Mapping) and value:
            known = default if isinstance(default, Mapping) else {}
            facts = list(_changed(value, known, inner, f"{name}."))
            yield from facts
            if not facts and model is not None and model.model_fields[key].default is None:
                yield Fact(name, "as it is by default")
        elif value != default and value not in (None, [], {}):
            yield Fact(name, _inline(value))


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The class of a field that holds settings of its own, also where it may be None."""
    if key not in model.model_fields:
        return None
    annotation = model.model_fields[key].annotation
    kinds = (annotation, *get_args(annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


@cache
def _defaults(model: type[BaseModel]) -> Mapping[str, Any]:
    """The defaults of a section, with those of the sections in it that are off by default."""
    made = model.model_construct().model_dump(mode="json", warnings=False)
    for key in model.model_fields:
        if made.get(key) is None and (inner := _section(model, key)) is not None:
            made[key] = _defaults(inner)
    return made


def _inline(value: Any) -> str:
    if isinstance(value, list):
        parts = [", ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value]
        told = "; ".join(parts[:6])
        return f"{told}; and {len(parts) - 6} more" if len(parts) > 6 else told
    return str(value)
