"""TOML files as Go's decoder reads them into a struct: names in any case, types checked, others told."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_GO_KIND = {bool: "boolean", int: "integer", str: "string", tuple: "slice"}
_GO_TYPE = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}


class BadToml(ValueError):
    """Not TOML, or a value of the wrong type; the text says where."""


def parse(text: str) -> dict[str, Any]:
    """The document. Raises BadToml, also where no reader of TOML is installed."""
    for name in ("tomllib", "tomli"):
        try:
            reader = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        try:
            return dict(reader.loads(text))
        except (ValueError, RecursionError) as error:
            raise BadToml(str(error) or "nested too deeply") from None
    raise BadToml("reading TOML needs Python 3.11, or tomli (Debian, Ubuntu: apt-get install python3-tomli)")


def decode(table: Mapping[str, Any], kinds: Mapping[str, type]) -> tuple[dict[str, Any], list[str]]:
    """The values of the names in `kinds` (bool, int, str, or tuple for a list of strings), and other names.

    A name spelt exactly so wins over one in another case. Raises BadToml for a value of another type.
    """
    folded = {name.casefold(): name for name in kinds}
    values: dict[str, Any] = {}
    exact: set[str] = set()
    unknown: list[str] = []
    for given, value in table.items():
        name = given if given in kinds else folded.get(given.casefold(), "")
        if not name:
            unknown.append(given)
        elif given == name or name not in exact:
            values[name] = _checked(given, value, kinds[name])
            if given == name:
                exact.add(name)
    return values, unknown


def _checked(name: str, value: Any, kind: type) -> Any:
    if kind is tuple:
        if not isinstance(value, list):
            raise _mismatch(name, value, kind)
        return tuple(_checked(name, each, str) for each in value)
    if type(value) is not kind:
        raise _mismatch(name, value, kind)
    return value


def _mismatch(name: str, value: Any, kind: type) -> BadToml:
    found = "map[string]interface {}" if isinstance(value, dict) else _GO_TYPE.get(type(value), "time.Time")
    return BadToml(f"toml: cannot load TOML value of type {found} into a Go {_GO_KIND[kind]} (key {name})")
