"""Jinja2 templates in a sandbox, bounded in time and length: of roles, run files and task files.

Jinja2's own sandbox keeps a template from the program; it does not keep it from going on for ever.
Here a template that takes more than a second of the processor, makes a text of more than four
million characters, or is nested too deep, is an error as any other in it. Package and user are
treated alike, but `compiled` alone has no bounds: what the package wrote needs none.
"""

import functools
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from metasynth.errors import ConfigError

_Read = TypeVar("_Read")
_SECONDS = 1.0  # of the processor; the longest prompts take a few thousandths
_MOST_CHARACTERS = 4_000_000
_MOST_SOURCE = 1_000_000
_MOST_BITS = 1000  # of a power, before it is looked at
_LARGE_NUMBER = 1 << 40
# A template of these alone does each of its parts once at most.
_STRAIGHT = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const),
    *(nodes.If, nodes.CondExpr, nodes.Or, nodes.And, nodes.Not, nodes.Compare, nodes.Operand),
)
_WIDTH = re.compile(r"\d{6}|\*")  # of a format, such as %1000000d


class _Environment(ImmutableSandboxedEnvironment):
    """A sandbox in which no single operation makes a value that is too large."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "-"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator, unless its result would be too large."""
        if operator == "*":
            _check_product(left, right)
        elif operator == "**":
            bits = left.bit_length() if isinstance(left, int) else 1
            if not isinstance(right, int | float) or bits * abs(right) > _MOST_BITS:
                raise SecurityError("a power is too large")
        elif operator == "%" and isinstance(left, str):
            _check_format(left)
        result = super().call_binop(context, operator, left, right)
        _check_value(result)
        return result

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """A call, unless its result would be too large."""
        _check_affordable(getattr(__obj, "__self__", None), *args, *kwargs.values())
        return super().call(__context, __obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format` as the sandbox allows it, without widths of millions."""
        if isinstance(text := getattr(value, "__self__", None), str):
            _check_format(text, methods=("format", "format_map"), name=value.__name__)
        return super().wrap_str_format(value)


def _check_product(left: Any, right: Any) -> None:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(count, int):
            if len(sequence) * count > _MOST_CHARACTERS:
                raise SecurityError("a text is too long")
            return


def _check_format(text: str, methods: tuple[str, ...] = ("",), name: str = "") -> None:
    if name in methods and _WIDTH.search(text):
        raise SecurityError("the width of a format is too large")


def _check_affordable(*values: Any) -> None:
    """Refuse a call whose result may be as long as its values multiplied."""
    size = 1
    for value in values:
        if isinstance(value, str | bytes | list | tuple):
            size *= max(1, len(value))
        elif isinstance(value, int):
            size *= max(1, abs(value))
    if size > _MOST_CHARACTERS and len(values) > 1:
        raise SecurityError("a call is asked for too much")


def _check_value(value: Any) -> None:
    if isinstance(value, str | list | tuple) and len(value) > _MOST_CHARACTERS:
        raise SecurityError("a text is too long")
    if isinstance(value, int) and abs(value) > _LARGE_NUMBER:
        raise SecurityError("a number is too large")


def _bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter, which is refused what would be too large."""

    @functools.wraps(work)  # with what says that it takes a context
    def bounded(*args: Any, **kwargs: Any) -> Any:
        if name == "format":
            for text in (each for each in args if isinstance(each, str)):
                _check_format(text)
        _check_affordable(*args, *kwargs.values())
        return work(*args, **kwargs)

    return bounded


SANDBOX = _Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
SANDBOX.filters.update({name: _bounded(name, work) for name, work in SANDBOX.filters.items()})
SANDBOX.globals.pop("lipsum")  # fills any number of pages


def parsed(source: str) -> nodes.Template:
    """The tree of a template.

    Raises:
        TemplateSyntaxError: It does not parse, or is too long or nested too deep.
    """
    return _readable(source, lambda: SANDBOX.parse(source))


@functools.lru_cache(maxsize=256)  # every call of a run fills one, and compiling takes far longer
def compiled(source: str) -> Any:
    """A template, ready to be filled without bounds.

    Raises:
        TemplateSyntaxError: As `parsed`.
    """
    return _readable(source, lambda: SANDBOX.from_string(source))


def _readable(source: str, work: Callable[[], _Read]) -> _Read:
    if len(source) > _MOST_SOURCE:
        raise TemplateSyntaxError(f"longer than {_MOST_SOURCE:,} characters", 1)
    try:
        with _bounded_time():
            return work()
    except TemplateError:
        raise
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise TemplateSyntaxError(problem or "nested too deep", 1) from None


def fill(source: str, variables: Mapping[str, object]) -> str:
    """A template, filled within the bounds; what it may raise is up to the template.

    Raises:
        TemplateError: It does not parse, or came to a bound.
    """
    template = compiled(source)
    parts, length = [], 0
    with _bounded_values(source, variables) if _is_straight(source) else _bounded_time():
        for part in template.generate(variables):
            parts.append(part)
            length += len(part)
            if length > _MOST_CHARACTERS:
                raise SecurityError(f"the text is longer than {_MOST_CHARACTERS:,} characters")
    return "".join(parts)


@functools.lru_cache(maxsize=256)
def _is_straight(source: str) -> bool:
    """Whether nothing in a template can repeat or grow, so that only its values need a bound."""
    return all(isinstance(node, _STRAIGHT) for node in parsed(source).find_all(nodes.Node))


@contextmanager
def _bounded_values(source: str, variables: Mapping[str, object]) -> Iterator[None]:
    """Look at what a straight template mentions, once instead of at each of its lines."""
    for name in template_variables(source):
        _check_value(variables.get(name))
    yield


@contextmanager
def _bounded_time() -> Iterator[None]:
    """Stop Python's own steps in this thread when the time is up, or a variable is too long."""
    until = time.thread_time() + _SECONDS

    def look(frame: FrameType, event: str, _argument: Any) -> Any:
        if time.thread_time() > until:
            raise SecurityError(f"it takes more than {_SECONDS:g} s")
        if event == "line" and frame.f_code.co_filename == "<template>":
            for value in frame.f_locals.values():
                _check_value(value)
                if isinstance(value, Namespace):
                    for inner in value._Namespace__attrs.values():
                        _check_value(inner)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)


def render_template(source: str, variables: Mapping[str, object]) -> str:
    """A template of the user's, filled in the sandbox; the variables are data, never templates.

    Raises:
        ConfigError: The template does not parse, names something unknown, or does not end.
    """
    try:
        return fill(source, variables)
    except Exception as error:  # a template may divide by zero
        known = ", ".join(sorted(variables))
        first = str(error).partition("\n")[0]
        raise ConfigError(
            f"template.prompt: {first}; known variables are {known}", code="bad_template"
        ) from None


@functools.lru_cache(maxsize=256)
def template_variables(source: str) -> frozenset[str]:
    """The variables that a template of the user's mentions; one that does not parse has none."""
    try:
        return frozenset(meta.find_undeclared_variables(parsed(source)))
    except TemplateError:
        return frozenset()
