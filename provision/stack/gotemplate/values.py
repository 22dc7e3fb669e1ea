"""What Python's values are in Go's eyes: their kind, the name of their type, their truth, their order.

None is nil, bool bool, int int, float float64, complex complex128, str string, bytes []uint8, list and tuple
a slice, a mapping a map, an iterator a channel, a callable a func. An object is what its class declares:

    class Pair:
        go_type = "memkv.KVPair"                         # shown in errors and by %T; "main.Pair" without it
        go_fields = {"Key": "key", "Value": "value"}     # Go's name of a field: the attribute to read
        go_methods = {"String": "text"}                  # Go's name of a method: the method to call

A method String() makes a text of the object, as Go's Stringer does. Other objects are structs without fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gotemplate.quoting import to_bytes


class _Invalid:
    """Go's zero reflect.Value: what is not there at all, unlike None, a nil in an interface."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = _Invalid()

NIL, BOOL, INT, FLOAT, COMPLEX, STRING = "nil", "bool", "int", "float", "complex", "string"
SLICE, BYTES, MAP, STRUCT, CHAN, FUNC = "slice", "bytes", "map", "struct", "chan", "func"

_KINDS: Final[dict[type, str]] = {
    type(None): NIL,
    _Invalid: NIL,
    bool: BOOL,
    int: INT,
    float: FLOAT,
    complex: COMPLEX,
    str: STRING,
    list: SLICE,
    tuple: SLICE,
    bytes: BYTES,
    dict: MAP,
}
_SUBCLASSES: Final = (
    (int, INT),
    (float, FLOAT),
    (str, STRING),
    (bytes, BYTES),
    ((list, tuple), SLICE),
    (Mapping, MAP),
    (Iterator, CHAN),
)
_NAMES: Final = {
    BOOL: "bool",
    INT: "int",
    FLOAT: "float64",
    COMPLEX: "complex128",
    STRING: "string",
    SLICE: "[]interface {}",
    BYTES: "[]uint8",
    CHAN: "chan interface {}",
    FUNC: "func(...interface {}) interface {}",
}


def kind(value: object) -> str:
    """The kind of a value, one of the constants above."""
    known = _KINDS.get(type(value))
    return known if known is not None else _kind_of_object(value)


def type_name(value: object) -> str:
    """The name of a value's type, for example `map[string]interface {}`."""
    declared = getattr(value, "go_type", None)
    if isinstance(declared, str):
        return declared
    its_kind = kind(value)
    if its_kind == MAP:
        assert isinstance(value, Mapping)
        keys = {kind(key) for key in value}
        key_type = _NAMES.get(keys.pop(), "interface {}") if len(keys) == 1 else "interface {}"
        return f"map[{key_type if keys or value else 'string'}]interface {{}}"
    if its_kind == NIL:
        return "<nil>"
    return _NAMES.get(its_kind) or f"main.{type(value).__name__}"


def element_type(container: object) -> str | None:
    """The declared type of what a slice or map holds; None where that is `interface {}`."""
    declared = getattr(container, "go_type", None)
    if not isinstance(declared, str) or "]" not in declared:
        return None
    name = declared.split("]", 1)[1]
    return None if name == "interface {}" else name


def truth(value: object) -> bool:
    """Whether a value counts as true: neither nil, false, zero nor empty; a struct always does."""
    its_kind = kind(value)
    if its_kind == STRUCT:
        return True
    return its_kind in (CHAN, FUNC) or bool(value)


def fields(value: object) -> Mapping[str, str]:
    """The fields that an object declares: Go's name, attribute."""
    declared: Mapping[str, str] = getattr(type(value), "go_fields", {})
    return declared


def method(value: object, name: str) -> Callable[..., object] | None:
    """The method that an object declares under Go's name."""
    attribute = getattr(type(value), "go_methods", {}).get(name)
    bound: Callable[..., object] | None = getattr(value, attribute) if attribute else None
    return bound


def sorted_items(mapping: Mapping[object, object]) -> list[tuple[object, object]]:
    """The entries of a map in Go's order of keys."""
    if all(type(key) is str for key in mapping):
        return sorted(mapping.items(), key=lambda item: str(item[0]))
    return sorted(mapping.items(), key=lambda item: _sort_key(item[0]))


def _kind_of_object(value: object) -> str:
    declares = type(value)
    if hasattr(declares, "go_fields") or hasattr(declares, "go_methods"):
        return STRUCT
    for parents, its_kind in _SUBCLASSES:
        if isinstance(value, parents):
            return its_kind
    return FUNC if callable(value) else STRUCT


def _sort_key(key: object) -> tuple[int, object, object]:
    """Nil, then numbers, strings, the rest: a fixed order where Go's depends on addresses."""
    its_kind = kind(key)
    if its_kind in (BOOL, INT, FLOAT):
        assert isinstance(key, (int, float))
        is_nan = key != key  # NaN is less than any other number
        return (1, (not is_nan, 0 if is_nan else key), its_kind)
    if its_kind == STRING:
        assert isinstance(key, str)
        return (2, to_bytes(key), "")
    return (0 if its_kind == NIL else 3, its_kind, "" if its_kind == NIL else repr(key))
