"""Finds what `.Name` means for a value: a field of an object, an entry of a map."""

from __future__ import annotations

from collections.abc import Mapping

from gotemplate.errors import message_of
from gotemplate.values import INVALID, MAP, STRUCT, element_type, fields, kind, type_name

ANY_NAME = "interface {}"


class FieldError(Exception):
    """A value has no such field; the message is Go's."""


def fetch(value: object, name: str, boxed: bool, has_args: bool = False) -> object:
    """The field of an object, or the entry of a map; INVALID for an absent entry.

    `boxed` says that Go knows of the value only that it is an `interface {}`, which its message then tells.
    Raises FieldError.
    """
    if value is INVALID:
        return INVALID
    if value is None:
        raise FieldError(f"nil pointer evaluating {ANY_NAME}.{name}")
    its_kind = kind(value)
    if its_kind == STRUCT and name in fields(value):
        if has_args:
            raise FieldError(f"{name} has arguments but cannot be invoked as function")
        try:
            return getattr(value, fields(value)[name])
        except Exception as error:
            raise FieldError(f"can't evaluate field {name}: {message_of(error)}") from error
    if its_kind == MAP and _has_string_keys(value):
        assert isinstance(value, Mapping)
        if has_args:
            raise FieldError(f"{name} is not a method but has arguments")
        return value.get(name, INVALID)
    shown = ANY_NAME if boxed and its_kind != STRUCT else type_name(value)
    raise FieldError(f"can't evaluate field {name} in type {shown}")


def boxes(container: object) -> bool:
    """Whether Go knows no more of this container's entries than that they are `interface {}`."""
    return kind(container) == MAP and element_type(container) is None


def _has_string_keys(value: object) -> bool:
    return type_name(value).startswith(("map[string]", "map[interface {}]"))
