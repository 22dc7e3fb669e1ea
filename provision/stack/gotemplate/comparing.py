"""Go's comparison functions of templates: eq, ne, lt, le, gt and ge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gotemplate.errors import FunctionError
from gotemplate.printing import PLAIN, display, form
from gotemplate.values import (
    BOOL,
    BYTES,
    CHAN,
    COMPLEX,
    FLOAT,
    FUNC,
    INT,
    MAP,
    NIL,
    SLICE,
    STRING,
    kind,
    type_name,
)

_BASIC: Final = frozenset({BOOL, INT, FLOAT, COMPLEX, STRING})
_UNCOMPARABLE: Final = frozenset({SLICE, BYTES, MAP, FUNC})

_BAD_TYPE: Final = "invalid type for comparison"
_BAD_PAIR: Final = "incompatible types for comparison"


def equal(first: object, *others: object) -> bool:
    """Whether `first` is equal to any of the others.

    Raises FunctionError for values that Go does not compare.
    """
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def unequal(first: object, second: object) -> bool:
    return not _same(first, second)


def less(first: object, second: object) -> bool:
    """Whether `first` comes before `second`: two numbers of one kind, or two strings.

    Raises FunctionError for values that Go does not order.
    """
    kinds = kind(first), kind(second)
    if not _BASIC.issuperset(kinds):
        raise FunctionError(_BAD_TYPE)
    if kinds[0] != kinds[1]:
        raise FunctionError(_BAD_PAIR)
    if kinds[0] in (BOOL, COMPLEX):
        raise FunctionError(_BAD_TYPE)
    return first < second  # type: ignore[operator, no-any-return]


def less_or_equal(first: object, second: object) -> bool:
    return less(first, second) or _same(first, second)


def greater(first: object, second: object) -> bool:
    return not less_or_equal(first, second)


def greater_or_equal(first: object, second: object) -> bool:
    return not less(first, second)


COMPARISONS: Final[Mapping[str, Callable[..., object]]] = {
    "eq": equal,
    "ne": unequal,
    "lt": less,
    "le": less_or_equal,
    "gt": greater,
    "ge": greater_or_equal,
}


def _same(first: object, second: object) -> bool:
    one, other = kind(first), kind(second)
    if one in _BASIC and other in _BASIC:
        if one != other:
            raise FunctionError(_BAD_PAIR)
        return first == second
    if NIL in (one, other):
        return one == other
    if one in _BASIC or other in _BASIC:
        raise FunctionError(_BAD_PAIR)
    if one in _UNCOMPARABLE or other in _UNCOMPARABLE:
        shown = f"{form(first, 's', PLAIN)}: {type_name(first)}"
        if type_name(first) == type_name(second):
            raise FunctionError(f"non-comparable type {shown}")
        raise FunctionError(f"non-comparable types {shown}, {type_name(second)}: {display(second)}")
    return first is second if CHAN in (one, other) else type(first) is type(second) and first == second
