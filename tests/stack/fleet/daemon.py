"""Runs the real fleetd with units in memory instead of systemd, to test registry, engine and agent.

Usage: daemon.py SOCKET MACHINE_ID_FILE [fleetd's flags]. A unit whose ExecStart begins with `false`
fails, one whose ExecStop is `sleep N` takes N seconds to stop.
Every start and stop goes to the file $FLEET_TEST_LOG.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fleet import fleetd
from fleet.backend import Backend, Condition, UnitError
from fleet.config import Config
from fleet.unitfile import UnitFile


class MemoryUnits:
    """Units that are only remembered."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._files: dict[str, UnitFile] = {}
        self._conditions: dict[str, Condition] = {}
        self._changed: Callable[[str, Condition], None] = lambda name, condition: None

    async def open(self, changed: Callable[[str, Condition], None]) -> None:
        self._changed = changed

    def present(self) -> dict[str, UnitFile]:
        return {}

    async def load(self, name: str, file: UnitFile) -> None:
        if "refuse" in "".join(file.values("Service", "ExecStartPre")):
            raise UnitError("refused")
        self._files[name] = file
        self._conditions[name] = Condition("loaded", "inactive", "dead")

    async def reload(self) -> None:
        await asyncio.sleep(0.005)

    async def start(self, name: str) -> None:
        if self._conditions[name].active == "active":
            return
        self._log("start", name)
        command = " ".join(self._files[name].values("Service", "ExecStart"))
        failed = command.startswith("false")
        outcome = ("failed", "failed") if failed else ("active", "running")
        self._set(name, Condition("loaded", *outcome))

    async def stop(self, name: str) -> None:
        command = " ".join(self._files[name].values("Service", "ExecStop")) if name in self._files else ""
        if command.startswith("sleep "):
            self._set(name, Condition("loaded", "deactivating", "stop"))
            await asyncio.sleep(float(command.split()[1]))
        if self._conditions.get(name, Condition("", "", "")).active in ("active", "deactivating"):
            self._log("stop", name)
        self._set(name, Condition("loaded", "inactive", "dead"))

    async def unload(self, name: str) -> None:
        self._files.pop(name, None)
        self._conditions.pop(name, None)

    async def condition(self, name: str) -> Condition:
        return self._conditions[name]

    async def close(self) -> None:
        pass

    def _set(self, name: str, condition: Condition) -> None:
        self._conditions[name] = condition
        self._changed(name, condition)

    def _log(self, what: str, name: str) -> None:
        with Path(os.environ["FLEET_TEST_LOG"]).open("a") as log:
            log.write(f"{time.monotonic():.4f} {self._machine} {what} {name}\n")


def main() -> int:
    path, identity, *flags = sys.argv[1:]
    listening = socket.socket(socket.AF_UNIX)
    Path(path).unlink(missing_ok=True)
    listening.bind(path)
    listening.listen(64)
    if listening.fileno() != 3:
        os.dup2(listening.fileno(), 3)
        listening.close()
    else:
        listening.detach()
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", FLEET_MACHINE_ID_FILE=identity)
    units = MemoryUnits(Path(identity).read_text().strip())

    def make(config: Config) -> Backend:
        return units

    return fleetd.main(flags, make)


if __name__ == "__main__":
    sys.exit(main())
