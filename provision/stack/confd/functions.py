"""The template functions that need no store: text, lists, numbers, JSON, the environment, names."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Callable
from typing import TypeVar

from confd import gojson, gopath, gotext, resolver
from confd.gotime import Moment
from confd.store import Pair
from gotemplate import FunctionError
from gotemplate.quoting import from_bytes, to_bytes

SEQUENCE_MAX = 10_000_000
_T = TypeVar("_T")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def functions() -> dict[str, Callable[..., object]]:
    """Every function by its name."""
    return {
        "add": add,
        "atoi": _go(gotext.atoi),
        "base": gopath.base,
        "base64Decode": base64_decode,
        "base64Encode": base64_encode,
        "contains": contains,
        "datetime": Moment.now,
        "dir": gopath.parent,
        "div": divide,
        "fileExists": file_exists,
        "getenv": getenv,
        "join": join,
        "json": _go(gojson.read_object),
        "jsonArray": _go(gojson.read_array),
        "lookupIP": lookup_ip,
        "lookupIPV4": lookup_ipv4,
        "lookupIPV6": lookup_ipv6,
        "lookupSRV": lookup_srv,
        "map": make_map,
        "mod": remainder,
        "mul": multiply,
        "parseBool": _go(gotext.parse_bool),
        "replace": replace,
        "reverse": reverse,
        "seq": sequence,
        "sortByLength": sort_by_length,
        "sortKVByLength": sort_pairs_by_length,
        "split": split,
        "sub": subtract,
        "toLower": to_lower,
        "toUpper": to_upper,
        "trimSuffix": trim_suffix,
    }


def contains(text: str, part: str) -> bool:
    """Whether the part is in the text."""
    return part in text


def join(words: list[str], separator: str) -> str:
    """The words with separators between them."""
    if not all(isinstance(word, str) for word in words):
        raise FunctionError("wrong type for value; expected []string; got []interface {}")
    return separator.join(words)


def replace(text: str, old: str, new: str, count: int) -> str:
    """The text with the first `count` occurrences replaced; with all of them if it is negative."""
    return text.replace(old, new, max(count, -1))


def to_lower(text: str) -> str:
    """The text in lower case."""
    return text.lower() if text.isascii() else "".join(_one(char, char.lower()) for char in text)


def to_upper(text: str) -> str:
    """The text in upper case."""
    return text.upper() if text.isascii() else "".join(_one(char, char.upper()) for char in text)


def trim_suffix(text: str, end: str) -> str:
    """The text without that end."""
    return text.removesuffix(end)


def lookup_ip(name: str) -> list[str]:
    """The addresses of a name, sorted."""
    return resolver.addresses(name)


def lookup_ipv4(name: str) -> list[str]:
    """The IPv4 addresses of a name, sorted."""
    return resolver.addresses(name, socket.AF_INET)


def lookup_ipv6(name: str) -> list[str]:
    """The IPv6 addresses of a name, sorted."""
    return resolver.addresses(name, socket.AF_INET6)


def add(a: int, b: int) -> int:
    """Sum."""
    return _int64(a + b)


def subtract(a: int, b: int) -> int:
    """Difference."""
    return _int64(a - b)


def multiply(a: int, b: int) -> int:
    """Product."""
    return _int64(a * b)


def split(text: str, separator: str) -> list[str]:
    """The parts between separators; each character by itself without one."""
    return text.split(separator) if separator else list(text)


def getenv(name: str, *default: str) -> str:
    """A variable of the environment; the default if it is absent or empty."""
    return os.environ.get(name, "") or (default[0] if default else "")


def make_map(*words: object) -> dict[str, object]:
    """A map of the keys and values that follow each other."""
    if len(words) % 2:
        raise FunctionError("invalid map call")
    made: dict[str, object] = {}
    for key, value in zip(words[::2], words[1::2], strict=True):
        if not isinstance(key, str):
            raise FunctionError("map keys must be strings")
        made[key] = value
    return made


def sequence(first: int, last: int) -> list[int]:
    """The numbers from the first to the last, both included."""
    if last - first > SEQUENCE_MAX:
        raise FunctionError(f"a sequence of more than {SEQUENCE_MAX} numbers")
    return list(range(first, last + 1))


def divide(a: int, b: int) -> int:
    """Quotient, towards zero."""
    quotient = abs(a) // abs(_not_zero(b))
    return _int64(-quotient if (a < 0) != (b < 0) else quotient)


def remainder(a: int, b: int) -> int:
    """What is left by `divide`; its sign is that of `a`."""
    left = abs(a) % abs(_not_zero(b))
    return -left if a < 0 else left


def reverse(values: _T) -> _T:
    """The list turned round, in place, if it is one of strings or pairs; anything else as it is."""
    if isinstance(values, list) and all(isinstance(each, (str, Pair)) for each in values):
        values.reverse()
    return values


def sort_by_length(values: list[str]) -> list[str]:
    """The strings, in place, shortest first."""
    values.sort(key=lambda each: len(to_bytes(each)))
    return values


def sort_pairs_by_length(values: list[Pair]) -> list[Pair]:
    """The pairs, in place, shortest key first."""
    values.sort(key=lambda each: len(to_bytes(each.key)))
    return values


def base64_encode(text: str) -> str:
    """The text's bytes, written in base 64."""
    return base64.b64encode(to_bytes(text)).decode()


def base64_decode(text: str) -> str:
    """What the text stands for; bytes that are no text are kept as they are."""
    bare = text.replace("\r", "").replace("\n", "")
    wrong = _where_no_base64(bare)
    if wrong is not None:
        raise FunctionError(f"illegal base64 data at input byte {wrong}")
    return from_bytes(base64.b64decode(bare))


def file_exists(path: str) -> bool:
    """Whether there is something at this path."""
    try:
        os.stat(path)
    except (FileNotFoundError, ValueError):
        return False
    except OSError:
        return True
    return True


def lookup_srv(service: str, protocol: str, name: str) -> list[resolver.Service]:
    """The records of `_service._protocol.name`, sorted by their text; none if there are none."""
    whole = f"_{service}._{protocol}.{name}" if service or protocol else name
    try:
        found = resolver.services(whole)
    except resolver.NoAnswer:
        return []
    return sorted(found, key=lambda each: f"{each.target}{each.port}{each.priority}{each.weight}")


def _where_no_base64(text: str) -> int | None:
    """Where Go's decoder stops, or None if it does not."""
    found = _NOT_BASE64.search(text)
    if found is None:
        return len(text) if len(text) % 4 else None
    at = found.start()
    if text[at] != "=" or at % 4 < 2:
        return at
    padding = 4 - at % 4
    for place in range(at, at + padding):
        if text[place : place + 1] != "=":
            return place
    return at + padding if len(text) > at + padding else None


def _go(function: Callable[[str], _T]) -> Callable[[str], _T]:
    """The function, whose ValueError is the template's error."""

    def call(text: str) -> _T:
        try:
            return function(text)
        except ValueError as error:
            raise FunctionError(str(error)) from None

    return call


def _not_zero(value: int) -> int:
    if value == 0:
        raise FunctionError("runtime error: integer divide by zero")
    return value


def _int64(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _one(char: str, changed: str) -> str:
    """Go changes the case of characters one by one: where that takes several, the character stays."""
    return changed if len(changed) == 1 else char
