"""SRV records as the servers of an Nginx upstream; no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EMPTY = "server 127.0.0.1:9 down;"  # an upstream without a server is no configuration
HEAD = "# Written by nginx-srv from the SRV records of {name}"


@dataclass(frozen=True, order=True)
class Target:
    """One SRV record, with its target as an address."""

    priority: int
    address: str
    port: int
    weight: int


def render(name: str, targets: Iterable[Target]) -> str:
    """The `server` lines of an upstream: those of the best priority, and the others as its backup."""
    ordered = sorted(set(targets))
    lines = [HEAD.format(name=name)]
    for target in ordered:
        host = f"[{target.address}]" if ":" in target.address else target.address
        backup = " backup" if target.priority > ordered[0].priority else ""
        lines.append(f"server {host}:{target.port} weight={max(1, target.weight)}{backup};")
    return "\n".join(lines if ordered else [*lines, EMPTY]) + "\n"
