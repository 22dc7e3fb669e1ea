"""Go's predeclared functions of templates; comparisons have a file of their own, `evaluator` has and, or."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from string import ascii_letters, digits
from typing import Final

from gotemplate.comparing import COMPARISONS
from gotemplate.errors import FunctionError
from gotemplate.printf import sprintf
from gotemplate.printing import sprint, sprintln
from gotemplate.quoting import byte_length, from_bytes, is_print, to_bytes
from gotemplate.signatures import signature_of
from gotemplate.values import BYTES, FUNC, INT, MAP, NIL, SLICE, STRING, kind, truth, type_name

_HTML = str.maketrans({"'": "&#39;", '"': "&#34;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
# Not urllib's: importing it would cost more than all the rest of this package.
_QUERY_SAFE = {ord(" "): "+", **{ord(char): char for char in ascii_letters + digits + "-_.~"}}
_JS = {
    **{"\\": "\\\\", "'": "\\'", '"': '\\"'},
    **{"<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"},
}


def negate(value: object) -> bool:
    return not truth(value)


def length(item: object) -> int:
    """How many bytes of a string, items of a slice, entries of a map.

    Raises FunctionError for what has no length.
    """
    its_kind = kind(item)
    if its_kind == STRING:
        assert isinstance(item, str)
        return byte_length(item)
    if its_kind in (SLICE, MAP, BYTES):
        assert isinstance(item, (Sequence, Mapping))
        return len(item)
    raise FunctionError("len of nil pointer" if its_kind == NIL else f"len of type {type_name(item)}")


def index(item: object, *keys: object) -> object:
    """The item's entry at the first key, that one's entry at the second, and so on.

    Raises FunctionError.
    """
    if kind(item) == NIL:
        raise FunctionError("index of untyped nil")
    for key in keys:
        item = _entry(item, key)
    return item


def cut(item: object, *bounds: object) -> object:
    """Go's item[first:second], of bytes where the item is a string; a third bound limits the capacity only.

    Raises FunctionError.
    """
    its_kind = kind(item)
    if its_kind == NIL:
        raise FunctionError("slice of untyped nil")
    if len(bounds) > 3:
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    if its_kind == STRING and len(bounds) == 3:
        raise FunctionError("cannot 3-index slice a string")
    if its_kind == STRING:
        assert isinstance(item, str)
        data: Sequence[object] = to_bytes(item)
    elif its_kind in (SLICE, BYTES):
        assert isinstance(item, Sequence)
        data = item
    else:
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    places = [_place(bound, len(data) + 1) for bound in bounds]
    first, second = (places + [0, len(data)][len(places) :])[:2]
    limits = [first, second, *places[2:]]
    for low, high in pairwise(limits):
        if low > high:
            raise FunctionError(f"invalid slice index: {low} > {high}")
    part = data[first:second]
    return from_bytes(part) if its_kind == STRING and isinstance(part, bytes) else part


def call(function: object, *args: object) -> object:
    """What a function that is a value returns.

    Raises FunctionError for no function and for arguments that do not fit.
    """
    if kind(function) == NIL:
        raise FunctionError("call of nil")
    if kind(function) != FUNC or not callable(function):
        raise FunctionError(f"non-function of type {type_name(function)}")
    signature = signature_of(function)
    if signature.refusal("", len(args)):
        least = "at least " if signature.most is None else ""
        raise FunctionError(f"wrong number of args: got {len(args)} want {least}{signature.least}")
    for number, arg in enumerate(args):
        wanted = signature.type_of(number)
        if not wanted.accepts(arg) and kind(arg) == NIL:
            raise FunctionError(f"arg {number}: value is nil; should be of type {wanted.name}")
        if not wanted.accepts(arg):
            raise FunctionError(f"arg {number}: value has type {type_name(arg)}; should be {wanted.name}")
    result: object = function(*args)
    return result


def html(*values: object) -> str:
    return _joined(values).translate(_HTML)


def js(*values: object) -> str:
    return "".join(_JS.get(char) or _escaped(char) for char in _joined(values))


def urlquery(*values: object) -> str:
    return "".join(_QUERY_SAFE.get(byte) or f"%{byte:02X}" for byte in to_bytes(_joined(values)))


def printf(text: str, *values: object) -> str:
    return sprintf(text, values)


def println(*values: object) -> str:
    return sprintln(values)


def concatenate(*values: object) -> str:
    return sprint(values)


def stopping(first: object, *others: object) -> object:
    """Stands for `and` and `or`, which the evaluator stops early: all it needs to know is what they take."""
    raise NotImplementedError("and, or are the evaluator's")


BUILTINS: Final[Mapping[str, Callable[..., object]]] = {
    **COMPARISONS,
    "and": stopping,
    "or": stopping,
    "call": call,
    "html": html,
    "index": index,
    "js": js,
    "len": length,
    "not": negate,
    "print": concatenate,
    "printf": printf,
    "println": println,
    "slice": cut,
    "urlquery": urlquery,
}


def _entry(item: object, key: object) -> object:
    its_kind, what = kind(item), "slice"
    if its_kind == MAP:
        assert isinstance(item, Mapping)
        _check_key(item, key)
        return item.get(key)
    if its_kind == STRING:
        assert isinstance(item, str)
        item, its_kind = to_bytes(item), BYTES
        what = "string"
    if its_kind in (SLICE, BYTES):
        assert isinstance(item, Sequence)
        place = _place(key, len(item) + 1)
        if place == len(item):  # Go finds this one out only when it reads
            raise FunctionError(f"reflect: {what} index out of range")
        return item[place]
    if its_kind == NIL:
        raise FunctionError("index of nil pointer")
    raise FunctionError(f"can't index item of type {type_name(item)}")


def _check_key(mapping: Mapping[object, object], key: object) -> None:
    key_type = type_name(mapping)[4:].partition("]")[0]
    if key_type == "interface {}":
        if kind(key) in (SLICE, MAP):
            raise FunctionError(f"runtime error: hash of unhashable type {type_name(key)}")
    elif kind(key) == NIL:
        raise FunctionError(f"value is nil; should be of type {key_type}")
    elif type_name(key) != key_type:
        raise FunctionError(f"value has type {type_name(key)}; should be {key_type}")


def _place(key: object, size: int) -> int:
    """A key as an index below `size`."""
    if kind(key) == NIL:
        raise FunctionError("cannot index slice/array with nil")
    if kind(key) != INT or not isinstance(key, int):
        raise FunctionError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key < size:
        raise FunctionError(f"index out of range: {key}")
    return key


def _joined(values: Sequence[object]) -> str:
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprint(["<no value>" if value is None else value for value in values])


def _escaped(char: str) -> str:
    if char < " ":
        return f"\\u00{ord(char):02X}"
    return char if char.isascii() or is_print(char) else f"\\u{ord(char):04X}"
