"""A copy of the keys below /skydns, kept true by etcd's events; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Union

from etcdv2.model import Event, Node
from skydns.service import Malformed, Path, Service, parse

_GONE = frozenset({"delete", "expire", "compareAndDelete"})
WILD = frozenset({"*", "any"})
_DEPTH_MAX = 127  # labels that a domain name has room for
Directory = dict[str, "Entry"]
Entry = Union[Directory, Service, None]  # noqa: UP007 - evaluated, and `"Entry" | None` cannot be; None: a key whose value is no record


class Missing(KeyError):
    """There is no such key."""


class Tree:
    """The records by their keys. `clock` gives the monotonic time, `complain` takes a line for the log."""

    def __init__(self, prefix: str, clock: Callable[[], float], complain: Callable[[str], None]) -> None:
        self.prefix = "/" + prefix.strip("/")
        self.index = 0
        self._clock = clock
        self._complain = complain
        self._root: Directory = {}
        self._there = False

    def load(self, node: Node | None, index: int = 0) -> None:
        """Start over from what etcd lists, the prefix or a part of it; None if it is not there."""
        self._root, self._there = {}, False
        if node is not None:
            self._fill(node)
        self.index = index

    def apply(self, event: Event) -> bool:
        """Follow one event; true if answers may have changed by more than the seconds left."""
        self.index = max(self.index, event.node.modified)
        path = self._path(event.node.key)
        if path is None:
            return False
        if event.action in _GONE:
            return self._remove(path)
        if event.node.directory:
            return self._directory(path)
        return self._put(path, event.node)

    def renew(self, node: Node) -> bool:
        """Take the value and the TTL of one key from an answer of etcd; true if that made a difference.

        Events have the last word: the key may be gone or new since etcd gave that answer.
        """
        path = self._path(node.key)
        known = self.entry(path) if path else None
        if not path or not isinstance(known, Service) or node.modified < known.modified or not node.ttl:
            return False
        self._put(path, node)
        return True

    def entry(self, path: Path) -> Entry:
        """What is at a path; None if nothing is, or nothing that can be read."""
        place: Entry = self._root
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        return place

    def find(self, path: Path) -> list[Service]:
        """The services at a key, below it, or that match its wildcards, in the keys' order.

        Raises Missing if etcd would know no such key. Keys that hold no record are left out.
        """
        cut = next((at for at, part in enumerate(path) if part in WILD), len(path))
        entry: Entry = self._root
        if not self._there:
            raise Missing(path)
        for part in path[:cut]:
            if not isinstance(entry, dict) or part not in entry:
                raise Missing(path)
            entry = entry[part]
        found = _services(entry)
        return [each for each in found if _matches(each.path, path)] if cut < len(path) else list(found)

    def _fill(self, node: Node) -> None:
        path = self._path(node.key)
        if path is None:
            return
        if not node.directory:
            self._put(path, node)
            return
        self._directory(path)
        for child in node.nodes:
            self._fill(child)

    def _path(self, key: str) -> Path | None:
        """The parts of a key below the prefix; None for a key elsewhere, or one that can have no name."""
        if key == self.prefix:
            return ()
        if not key.startswith(self.prefix + "/"):
            return None
        parts = tuple(key[len(self.prefix) + 1 :].split("/"))
        return parts if len(parts) <= _DEPTH_MAX else None

    def _put(self, path: Path, node: Node) -> bool:
        self._there = True
        if not path:
            return True
        place = self._place(path[:-1])
        before = place.get(path[-1])
        expires = self._clock() + node.ttl if node.ttl is not None else None
        after: Entry
        try:
            after = replace(parse(path, node.value), expires=expires, modified=node.modified)
        except Malformed as problem:
            after = None
            if path != ("config",):
                self._complain(f"{node.key}: {problem}; left out")
        place[path[-1]] = after
        if isinstance(before, Service) and isinstance(after, Service):
            now = replace(before, expires=after.expires, modified=after.modified)
            return now != after or (before.expires is None) != (after.expires is None)
        return True

    def _directory(self, path: Path) -> bool:
        self._there = True
        self._place(path)
        return True

    def _place(self, path: Path) -> Directory:
        """The directory at `path`, made if it is not there."""
        place = self._root
        for part in path:
            below = place.get(part)
            if not isinstance(below, dict):
                below = place[part] = {}
            place = below
        return place

    def _remove(self, path: Path) -> bool:
        if not path:
            self._root, self._there = {}, False
            return True
        place = self.entry(path[:-1])
        if not isinstance(place, dict) or path[-1] not in place:
            return False
        del place[path[-1]]
        return True


def _services(entry: Entry) -> Iterator[Service]:
    if isinstance(entry, dict):
        for name in sorted(entry):
            yield from _services(entry[name])
    elif entry is not None:
        yield entry


def _matches(key: Path, wanted: Path) -> bool:
    return len(key) >= len(wanted) and all(
        part in WILD or part == mine for mine, part in zip(key, wanted, strict=False)
    )
