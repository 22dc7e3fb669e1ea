"""What `GET /containers/NAME/json` says of a container, as far as a registrar wants to know it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class NotPublished(Exception):
    """The container's port cannot be reached from other machines; the text says why and what to do."""


@dataclass(frozen=True)
class Published:
    """An address of the host that leads to a port of a container; the host part may be a wildcard."""

    host: str
    port: int

    @property
    def everywhere(self) -> bool:
        """True if the port is published on all addresses of the host, so that none is named."""
        return not self.host or ipaddress.ip_address(self.host).is_unspecified

    @property
    def loopback(self) -> bool:
        """True if only the host itself can connect."""
        return bool(self.host) and ipaddress.ip_address(self.host).is_loopback

    def at(self, address: str) -> Published:
        """The same port on another address of the host."""
        return Published(address, self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Container:
    """A container: `ports` by container port such as `80/tcp`, only those published at this moment."""

    id: str
    name: str
    running: bool
    address: str
    ports: Mapping[str, tuple[Published, ...]]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Container:
        """Read the answer of inspect; KeyError, TypeError or ValueError if it is something else."""
        network = document.get("NetworkSettings") or {}
        ports = {}
        # A port that is only exposed has null for its bindings, a container that is stopped an empty object.
        for port, bindings in (network.get("Ports") or {}).items():
            if bindings:
                ports[str(port)] = tuple(
                    Published(str(binding.get("HostIp", "")), int(binding["HostPort"]))
                    for binding in bindings
                )
        return cls(
            id=str(document["Id"]),
            name=str(document["Name"]).lstrip("/"),
            running=bool(document["State"]["Running"]),
            address=str(network.get("IPAddress", "")),
            ports=ports,
        )

    def published(self, port: int, address: str = "", protocol: str = "tcp") -> Published:
        """Where `port` of the container is published, at the host's `address` if one is given.

        Of several bindings one of a single address counts most, one of loopback least; IPv4 before IPv6.
        """
        bindings = self.ports.get(f"{port}/{protocol}", ())
        if not bindings:
            raise NotPublished(
                f"{self.name} does not publish {port}/{protocol}: run it with -p ADDRESS::{port}"
            )
        best = min(bindings, key=lambda one: (one.loopback, one.everywhere, ":" in one.host))
        if address:
            return best.at(address)
        if best.loopback:
            raise NotPublished(
                f"{self.name} publishes {port}/{protocol} on {best.host} only, which no other machine reaches"
            )
        if best.everywhere:
            raise NotPublished(
                f"{self.name} publishes {port}/{protocol} on all addresses, which names none: "
                f"run it with -p ADDRESS::{port}, or say which address to register"
            )
        return best
