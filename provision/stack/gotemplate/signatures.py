"""What a function of templates takes, read from its annotations: Go's checks of arguments need it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from gotemplate.values import BOOL, BYTES, FLOAT, INT, MAP, SLICE, STRING, STRUCT, kind


@dataclass(frozen=True)
class Type:
    """A parameter's type: the name that errors show, and the kind of what is taken; None takes anything."""

    name: str = "interface {}"
    kind: str | None = None
    struct: type | None = None  # the class itself where kind is STRUCT

    def accepts(self, value: object) -> bool:
        if self.kind is None:
            return True
        if self.struct is not None:
            return isinstance(value, self.struct)
        return kind(value) == self.kind


ANY = Type()

_BASIC = {
    str: Type("string", STRING),
    int: Type("int", INT),
    float: Type("float64", FLOAT),
    bool: Type("bool", BOOL),
    bytes: Type("[]uint8", BYTES),
}


@dataclass(frozen=True)
class Signature:
    """Types of the parameters in order; `most` is None for a variadic function, whose last type repeats."""

    types: tuple[Type, ...]
    least: int
    most: int | None

    def type_of(self, number: int) -> Type:
        if number < len(self.types):
            return self.types[number]
        return self.types[-1] if self.types else ANY

    def refusal(self, name: str, given: int) -> str | None:
        """What is wrong with so many arguments, in Go's words; None if nothing is."""
        if self.least <= given and (self.most is None or given <= self.most):
            return None
        if self.least == self.most:
            want = str(self.least)
        else:
            want = f"at least {self.least}" if given < self.least else f"at most {self.most}"
        return f"wrong number of args for {name}: want {want} got {given}"


def signature_of(function: Callable[..., object]) -> Signature:
    """The signature of a callable; one that tells nothing of itself takes anything."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except Exception:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return Signature((ANY,), 0, None)
    found: list[Type] = []
    least, variadic = 0, False
    for parameter in parameters:
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        found.append(_type(parameter.annotation))
        if parameter.kind == parameter.VAR_POSITIONAL:
            variadic = True
        elif parameter.default is parameter.empty:
            least += 1
    return Signature(tuple(found), least, None if variadic else len(found))


def _type(annotation: Any) -> Type:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        basic = _BASIC.get(annotation)
        if basic is not None:
            return basic
        if hasattr(annotation, "go_fields") or hasattr(annotation, "go_methods"):
            return Type(getattr(annotation, "go_type", f"main.{annotation.__name__}"), STRUCT, annotation)
    origin = get_origin(annotation) or annotation
    arguments = get_args(annotation)
    if origin in (list, tuple, Sequence):
        return Type(f"[]{_type(arguments[0]).name if arguments else 'interface {}'}", SLICE)
    if origin in (dict, Mapping):
        names = [_type(argument).name for argument in arguments] or ["string", "interface {}"]
        return Type(f"map[{names[0]}]{names[-1]}", MAP)
    return ANY
