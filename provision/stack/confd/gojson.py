"""JSON as Go's encoding/json reads it into interfaces: every number is a float; mistakes in its words."""

from __future__ import annotations

import json
import math
from typing import Any

from confd import gotext

_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", float: "number"}


class BadJson(ValueError):
    """Not JSON, or not of the kind that is asked for."""


def read_object(text: str) -> dict[str, Any]:
    """An object; `null` is an empty one. Raises BadJson."""
    value = _load(text)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unfit(value, "map[string]interface {}")
    return value


def read_array(text: str) -> list[Any]:
    """An array; `null` is an empty one. Raises BadJson."""
    value = _load(text)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _unfit(value, "[]interface {}")
    return value


def _load(text: str) -> Any:
    try:
        value = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_constant)
        return _scalars(value) if "\\u" in text else value
    except json.JSONDecodeError as error:
        raise BadJson(_explain(text, error)) from None
    except RecursionError:
        raise BadJson("exceeded max depth") from None


def _scalars(value: Any) -> Any:
    """The value without halves of surrogate pairs, which json lets stand."""
    if isinstance(value, str):
        return gotext.scalar(value)
    if isinstance(value, list):
        return [_scalars(each) for each in value]
    if isinstance(value, dict):
        return {gotext.scalar(name): _scalars(each) for name, each in value.items()}
    return value


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BadJson(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _constant(text: str) -> float:
    raise BadJson(f"invalid character '{text.lstrip('-')[0]}' looking for beginning of value")


def _explain(text: str, error: json.JSONDecodeError) -> str:
    """Go's words for the first character that does not fit."""
    at = error.pos
    if "Invalid control character" in error.msg and at < len(text):
        return f"invalid character {_quoted(text[at])} in string literal"
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if at >= len(text) or "Unterminated string" in error.msg:
        return "unexpected end of JSON input"
    char = _quoted(text[at])
    if "delimiter" in error.msg:
        where = "after object key:value pair" if "','" in error.msg else "after object key"
        return f"invalid character {char} {where}"
    if "Extra data" in error.msg:
        return f"invalid character {char} after top-level value"
    if "property name" in error.msg:
        return f"invalid character {char} looking for beginning of object key string"
    return f"invalid character {char} looking for beginning of value"


def _quoted(char: str) -> str:
    return {"\n": r"'\n'", "\t": r"'\t'", "\r": r"'\r'", "'": r"'\''"}.get(char, f"'{char}'")


def _unfit(value: Any, wanted: str) -> BadJson:
    return BadJson(f"json: cannot unmarshal {_KINDS[type(value)]} into Go value of type {wanted}")
