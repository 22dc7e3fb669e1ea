"""What the agent asks of whatever runs units on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from fleet.unitfile import UnitFile


class UnitError(Exception):
    """The unit could not be loaded, started or stopped; the message is for the journal."""


class Condition(NamedTuple):
    """systemd's three words for a unit."""

    load: str
    active: str
    sub: str


class Backend(Protocol):
    """systemd, seen from the agent. Every method may raise UnitError."""

    async def open(self, changed: Callable[[str, Condition], None]) -> None:
        """Begin; `changed` is called for each change of a loaded unit's condition."""

    def present(self) -> dict[str, UnitFile]:
        """The units that are loaded (from before a restart of fleetd, say)."""

    async def load(self, name: str, file: UnitFile) -> None:
        """Put the unit's file in place; systemd knows it after `reload`."""

    async def reload(self) -> None: ...

    async def start(self, name: str) -> None:
        """Ask for the start; does not wait for it."""

    async def stop(self, name: str) -> None:
        """Stop the unit and wait until it has stopped; one that is not there has stopped."""

    async def unload(self, name: str) -> None:
        """Take a stopped unit's file away."""

    async def condition(self, name: str) -> Condition: ...

    async def close(self) -> None: ...
