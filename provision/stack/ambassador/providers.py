"""Which providers are registered under a key, kept up to date by etcd's events; no I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ambassador.address import Address
from etcdv2.model import Event, Node

GONE = frozenset({"delete", "expire", "compareAndDelete"})


@dataclass(frozen=True)
class Provider:
    """A provider and when it was registered, in etcd's own count."""

    address: Address
    registered: int


class Providers:
    """The registered providers; the last one to register is the one that counts.

    A registrar that moved with its service is newer than what its old machine left behind. The count is that
    of the key's creation: a value that is only prolonged keeps its place.
    """

    def __init__(self) -> None:
        self._known: dict[str, Provider] = {}

    @property
    def current(self) -> Address | None:
        """The provider for the next connection."""
        if not self._known:
            return None
        return max(self._known.values(), key=lambda provider: provider.registered).address

    def load(self, node: Node | None) -> list[str]:
        """Start over from what etcd holds now; returns the complaints about values that are of no use."""
        self._known.clear()
        if node is None:
            return []
        return [complaint for leaf in node.leaves() if (complaint := self._take(leaf))]

    def apply(self, event: Event) -> list[str]:
        """Follow one event."""
        key = event.node.key
        if event.action in GONE:
            for known in [known for known in self._known if known == key or known.startswith(key + "/")]:
                del self._known[known]
            return []
        if event.node.directory:
            return []
        complaint = self._take(event.node)
        return [complaint] if complaint else []

    def _take(self, leaf: Node) -> str:
        try:
            address = Address.parse(leaf.value)
            ipaddress.ip_address(address.host)
        except ValueError:
            self._known.pop(leaf.key, None)
            return f"{leaf.key} holds no ADDRESS:PORT: {leaf.value[:80]!r}"
        self._known[leaf.key] = Provider(address, leaf.created)
        return ""
