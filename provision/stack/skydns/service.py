"""One record of SkyDNS: the JSON that a key below /skydns holds, read and checked."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dns.exception
import dns.name

Path = tuple[str, ...]  # the parts of a key below the prefix, the root's first: ("local", "skydns", "web")
_FIELDS = {
    "host": str,
    "port": int,
    "priority": int,
    "weight": int,
    "text": str,
    "mail": bool,
    "ttl": int,
    "targetstrip": int,
    "group": str,
}
_LIMITS = {"port": 0xFFFF, "priority": 0xFFFF, "weight": 0xFFFF, "ttl": 0xFFFFFFFF, "targetstrip": 127}


class Malformed(ValueError):
    """A value is no record; the text says why, in one line."""


@dataclass(frozen=True)
class Service:
    """What a key announces.

    `expires` is on the monotonic clock, None for a key without a TTL in etcd; `modified` is etcd's index.
    """

    path: Path
    host: str = ""
    port: int = 0
    priority: int = 0
    weight: int = 0
    text: str = ""
    mail: bool = False
    ttl: int = 0
    targetstrip: int = 0
    group: str = ""
    expires: float | None = None
    modified: int = 0

    @cached_property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host, if it is an address."""
        if "%" in self.host:
            return None
        try:
            found = ipaddress.ip_address(self.host)
        except ValueError:
            return None
        return getattr(found, "ipv4_mapped", None) or found

    @cached_property
    def target(self) -> dns.name.Name:
        """The host as a name."""
        return dns.name.from_text(self.host)

    @cached_property
    def domain(self) -> dns.name.Name:
        """The name of the key, without the labels that `targetstrip` takes away."""
        labels = name_of(self.path).labels
        return dns.name.Name(labels[min(self.targetstrip, len(labels) - 1) :])

    def seconds(self, now: float, default: int) -> int:
        """The TTL at the moment `now`: the smaller one of etcd's and the record's own, or the default."""
        known = [self.ttl] if self.ttl else []
        if self.expires is not None:
            # etcd rounds up, too; a key that it still shows is never without a second left
            known.append(max(1, -int((now - self.expires) // 1)))
        return min(known, default=default)

    def same(self) -> tuple[object, ...]:
        """Two services that are equal in this are one, as far as answers go."""
        return self.host, self.port, self.priority, self.weight, self.text


def parse(path: Path, value: str) -> Service:
    """The record in `value`; raises Malformed. Unknown fields are ignored, letter case does not count."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    fields: dict[str, Any] = {}
    for key, content in document.items():
        kind = _FIELDS.get(key.lower())
        if kind is None or content is None:
            continue
        if type(content) is not kind:
            raise Malformed(f"{key}: {kind.__name__} wanted, not {content!r:.60}")
        fields[key.lower()] = content
    for name, limit in _LIMITS.items():
        if not 0 <= fields.get(name, 0) <= limit:
            raise Malformed(f"{name}: 0 to {limit} wanted, not {fields[name]!r:.60}")
    service = Service(path, **fields)
    try:
        if service.host and service.address is None and service.target == dns.name.root:
            raise Malformed("host: the root is no host")
        name_of(path)
    except (dns.exception.DNSException, ValueError) as error:
        raise Malformed(f"no name for DNS: {error}") from None
    return service


def name_of(path: Path) -> dns.name.Name:
    """The domain name of a key; raises dns.exception.DNSException if there can be none."""
    return dns.name.Name([part.encode() for part in reversed(path)] + [b""])


def path_of(name: dns.name.Name) -> Path:
    """The key of a domain name; its letters are made small, as in every query of SkyDNS."""
    return tuple(label.decode("utf-8", "replace").lower() for label in reversed(name.labels) if label)
