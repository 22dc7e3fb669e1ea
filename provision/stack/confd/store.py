"""The values of one reading, as templates see them: pairs, values, globs and listings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from confd import gopath
from gotemplate import FunctionError
from gotemplate.quoting import to_bytes


@dataclass(frozen=True)
class Pair:
    """A key and its value."""

    key: str
    value: str
    go_type: ClassVar[str] = "memkv.KVPair"
    go_fields: ClassVar[Mapping[str, str]] = {"Key": "key", "Value": "value"}


class Store:
    """Values by their key, an absolute path without the resource's prefix."""

    def __init__(self, values: Mapping[str, str], prefix: str = "/") -> None:
        self._values = {
            gopath.join("/", key.removeprefix(prefix)): value
            for key, value in sorted(values.items(), key=_bytes)
        }

    def functions(self) -> dict[str, Callable[..., object]]:
        """The template functions that read this store."""
        return {
            "exists": self.exists,
            "get": self.get,
            "gets": self.gets,
            "getv": self.getv,
            "getvs": self.getvs,
            "ls": self.ls,
            "lsdir": self.lsdir,
        }

    def exists(self, key: str) -> bool:
        """Whether this key holds a value."""
        return key in self._values

    def get(self, key: str) -> Pair:
        """The key with its value; an absent one is an error."""
        return Pair(key, self.getv(key))

    def gets(self, pattern: str) -> list[Pair]:
        """The pairs whose key matches the glob, by key."""
        return [Pair(key, self._values[key]) for key in self._matching(pattern)]

    def getv(self, key: str, *default: str) -> str:
        """The key's value, or else the default; an absent key without a default is an error."""
        if key in self._values:
            return self._values[key]
        if default:
            return default[0]
        raise FunctionError(f"key does not exist: {key}")

    def getvs(self, pattern: str) -> list[str]:
        """The values whose key matches the glob, by value."""
        return sorted((self._values[key] for key in self._matching(pattern)), key=to_bytes)

    def ls(self, path: str) -> list[str]:
        """The names right below a path; of a key with a value its own name as well."""
        prefix = _terms(path)
        found: set[str] = set()
        if gopath.clean(path) == "/":  # a quirk of the original: the root has no names in it
            return []
        for key in self._values:
            if key == path:
                found.add(gopath.base(key))
            elif _terms(gopath.parent(key))[: len(prefix)] == prefix:
                found.add(key.removeprefix(path).removeprefix("/").partition("/")[0])
        return sorted(found, key=to_bytes)

    def lsdir(self, path: str) -> list[str]:
        """The names right below a path that have something below them."""
        prefix = _terms(path)
        found: set[str] = set()
        for key in self._values:
            if key.startswith(path):
                items = _terms(gopath.parent(key))
                if items[: len(prefix)] == prefix and len(items) > len(prefix):
                    found.add(items[len(prefix)])
        return sorted(found, key=to_bytes)

    def _matching(self, pattern: str) -> list[str]:
        try:
            match = gopath.glob(pattern).fullmatch
        except gopath.BadPattern as error:
            raise FunctionError(str(error)) from None
        return [key for key in self._values if match(key)]


def _terms(path: str) -> list[str]:
    return gopath.clean(path).split("/")


def _bytes(item: tuple[str, str]) -> bytes:
    return to_bytes(item[0])
