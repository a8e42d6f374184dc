"""What a search filter means, and the part of it that Chroma can judge by itself.

`matches` is the meaning. `pushed` is a condition that holds for every row `matches` accepts and
for few others, so Chroma narrows and `matches` decides.

Equality is that of JSON: `1` equals `1.0`, `true` equals neither, `null` equals a missing field.
Order exists between two numbers and between two strings; any other pair is no match.
"""

import hashlib
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

# Longer strings are compared by hash, so that a document in a field does not fill Chroma's index.
_LONGEST_PLAIN = 200
# From it on a float no longer tells neighbouring integers apart: 2**53 + 1 is held as 2**53.
_INEXACT = 2**53
_LARGEST_FLOAT = 1.7e308

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS = {"$eq", "$ne", *_ORDER}


def check_filter(conditions: Mapping[str, Any]) -> None:
    """Raise ValueError for an operator that does not exist, whether or not any row meets it."""
    for condition in conditions.values():
        if not isinstance(condition, Mapping):
            continue
        if any(str(name).startswith("$") for name in condition):
            unknown = sorted(set(condition) - _OPERATORS)
            if unknown:
                known = ", ".join(sorted(_OPERATORS))
                raise ValueError(f"Unsupported operator: {unknown[0]} (known: {known})")
        else:
            check_filter(condition)


def matches(value: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Whether every condition holds for the item's value."""
    return all(_holds(value.get(field), wanted) for field, wanted in conditions.items())


def pushed(conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conditions that Chroma can judge, as `where` clauses over `field_metadata`."""
    clauses: list[dict[str, Any]] = []
    for field, wanted in conditions.items():
        tests = wanted.items() if _is_operators(wanted) else [("$eq", wanted)]
        for name, operand in tests:
            if name == "$ne":
                continue  # true for rows that lack the field, which Chroma's $ne does not promise
            if _is_number(operand):
                if _is_exact(operand):
                    clauses.append({_number_key(field): {name: float(operand)}})
            elif name == "$eq" and isinstance(operand, (str, bool)):
                clauses.append({_exact_key(field): {"$eq": _exact_text(operand)}})
    return clauses


def field_metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """What `pushed` can ask for: the numbers, strings and truth values of the top level."""
    found: dict[str, Any] = {}
    for field, part in value.items():
        if isinstance(part, (str, bool)):
            found[_exact_key(field)] = _exact_text(part)
        elif _is_number(part) and part == part:  # NaN, which equals nothing, stays out
            found[_number_key(field)] = _as_float(part)
    return found


def _holds(found: Any, wanted: Any) -> bool:
    if _is_operators(wanted):
        return all(_compare(name, found, operand) for name, operand in wanted.items())
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and matches(found, wanted)
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, (list, tuple))
            and len(found) == len(wanted)
            and all(map(_holds, found, wanted))
        )
    return _equal(found, wanted)


def _compare(name: str, found: Any, operand: Any) -> bool:
    if name == "$eq":
        return _equal(found, operand)
    if name == "$ne":
        return not _equal(found, operand)
    comparable = (_is_number(found) and _is_number(operand)) or (
        isinstance(found, str) and isinstance(operand, str)
    )
    return comparable and _ORDER[name](found, operand)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _is_operators(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and any(str(name).startswith("$") for name in wanted)


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, float)) and not isinstance(part, bool)


def _is_exact(number: float) -> bool:
    """Whether a comparison with `number` survives the way through a 64-bit float."""
    return abs(number) < _INEXACT


def _as_float(number: float) -> float:
    """`number` as Chroma can hold it: it has no infinities, and no integers beyond 64 bits."""
    try:
        return max(-_LARGEST_FLOAT, min(_LARGEST_FLOAT, float(number)))
    except OverflowError:
        return _LARGEST_FLOAT if number > 0 else -_LARGEST_FLOAT


def _exact_text(part: str | bool) -> str:
    text = json.dumps(part)
    if len(text) <= _LONGEST_PLAIN:
        return text
    return "#" + hashlib.sha256(text.encode()).hexdigest()


def _exact_key(field: str) -> str:
    return "e." + json.dumps(field)


def _number_key(field: str) -> str:
    return "x." + json.dumps(field)
