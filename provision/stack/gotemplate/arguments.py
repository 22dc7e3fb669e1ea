"""The functions that a template may call, and Go's checks of what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from gotemplate.builtins import BUILTINS
from gotemplate.nodes import Bool, Nil, Node, Number, Operand, String
from gotemplate.signatures import Signature, Type, signature_of
from gotemplate.values import BOOL, FLOAT, INT, INVALID, MAP, SLICE, STRING, type_name

FrameType = TypeVar("FrameType")

_EXPECTED = {BOOL: "bool", INT: "integer", FLOAT: "float", STRING: "string"}


class Functions:
    """The functions of a set of templates, Go's own included; each one's signature is read once."""

    def __init__(self, own: Mapping[str, Callable[..., object]]):
        self._own = own
        self._signatures: dict[object, Signature] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in BUILTINS

    def get(self, name: str) -> Callable[..., object]:
        return self._own[name] if name in self._own else BUILTINS[name]

    def stops_early(self, name: str) -> bool:
        """Whether the name is Go's own `and` or `or`."""
        return name in ("and", "or") and name not in self._own

    def signature(self, function: Callable[..., object]) -> Signature:
        bound_to = getattr(function, "__func__", None)
        key = id(function) if bound_to is None else (id(bound_to), "method")
        if key not in self._signatures:
            self._signatures[key] = signature_of(function)
        return self._signatures[key]


@dataclass(frozen=True)
class Argument(Generic[FrameType]):
    """An operand in the place of an argument, what evaluates it, and where errors of its value are placed."""

    node: Operand
    evaluate: Callable[[FrameType, object], object]
    last: Node


def constant(node: Operand, wanted: Type) -> tuple[object, str | None]:
    """A constant as the type that a function wants; or what is wrong with it, in Go's words."""
    if isinstance(node, Nil):
        if wanted.kind in (None, SLICE, MAP):
            return _nil(wanted), None
        return None, f"cannot assign nil to {wanted.name}"
    if wanted.kind is None:
        return _ideal(node)
    value: object = None
    if wanted.kind in (BOOL, STRING) and isinstance(node, Bool if wanted.kind == BOOL else String):
        return node.value, None
    if isinstance(node, Number):
        value = {INT: node.integer, FLOAT: node.floating}.get(wanted.kind)
    if value is not None:
        return value, None
    if wanted.kind in _EXPECTED:
        return None, f"expected {_EXPECTED[wanted.kind]}; found {node}"
    return None, f"can't handle {node} for arg of type {wanted.name}"


def validate(value: object, wanted: Type) -> tuple[object, str | None]:
    """A value as the type that a function wants; or what is wrong with it, in Go's words."""
    if value is INVALID:
        if wanted.kind in (None, SLICE, MAP):
            return _nil(wanted), None
        return None, f"invalid value; expected {wanted.name}"
    if wanted.accepts(value):
        return value, None
    got = "interface {}" if value is None else type_name(value)
    return None, f"wrong type for value; expected {wanted.name}; got {got}"


def _nil(wanted: Type) -> object:
    """Go's nil of a type: functions meet an empty list or dict where they want one."""
    if wanted.kind == SLICE:
        return []
    return {} if wanted.kind == MAP else None


def _ideal(node: Operand) -> tuple[object, str | None]:
    """A constant that nothing says the type of."""
    assert isinstance(node, (Bool, Number, String))
    if node.value is None:
        return None, f"{node} overflows int"
    return node.value, None
