"""Units run by systemd over its private D-Bus socket, whose signals tell each change at once.

systemctl would cost a process a call and would have to be polled; the system bus would add a daemon that
may be gone at shutdown. The private socket lives as long as systemd does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fleet.backend import Condition, UnitError
from fleet.dbus_link import CallError, Link
from fleet.dbus_wire import Message
from fleet.unitfile import UnitFile, UnitFileError, parse

log = logging.getLogger("fleet.systemd")
_ROOT = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_UNIT = "org.freedesktop.systemd1.Unit"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
ABSENT = Condition("not-found", "inactive", "dead")


def private_socket(user: bool) -> str:
    """Where systemd (or the user's own one) listens for direct connections."""
    if not user:
        return "/run/systemd/private"
    return os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}") + "/systemd/private"


class Systemd:
    """The machine's systemd as the agent's backend; unit files lie in `directory`, linked at runtime."""

    def __init__(self, directory: Path, socket: str) -> None:
        self._directory = directory
        self._socket = socket
        self._link = Link(self._signal, self._ended)
        self._connecting = asyncio.Lock()
        self._changed: Callable[[str, Condition], None] = lambda name, condition: None
        self._paths: dict[str, str] = {}
        self._known: dict[str, Condition] = {}
        self._told: dict[str, int] = {}  # how many signals came of each unit
        self._jobs: dict[str, asyncio.Event] = {}
        self._reloading = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, changed: Callable[[str, Condition], None]) -> None:
        self._changed = changed
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            await self._connect()
        except OSError as error:
            raise UnitError(f"systemd cannot be reached: {error}") from None

    def present(self) -> dict[str, UnitFile]:
        found: dict[str, UnitFile] = {}
        for path in sorted(self._directory.iterdir()):
            with contextlib.suppress(OSError, UnicodeError, UnitFileError):
                found[path.name] = parse(path.read_text())
        for name in found:
            self._paths.setdefault(object_path(name), name)
        return found

    async def load(self, name: str, file: UnitFile) -> None:
        path = self._directory / name
        try:
            path.write_text(file.text)
            path.chmod(0o644)
        except OSError as error:
            raise UnitError(f"cannot write {path}: {error.strerror}") from None
        self._paths[object_path(name)] = name
        try:
            await self._manager("LinkUnitFiles", "asbb", [str(path)], True, True)
            if file.installable:
                await self._manager("EnableUnitFiles", "asbb", [str(path)], True, True)
        except UnitError:
            await self.unload(name)
            raise

    async def reload(self) -> None:
        await self._manager("Reload")

    async def start(self, name: str) -> None:
        await self._manager("StartUnit", "ss", name, "replace")

    async def stop(self, name: str) -> None:
        try:
            (job,) = await self._manager("StopUnit", "ss", name, "replace")
        except NotLoaded:
            return
        done = self._jobs.setdefault(str(job), asyncio.Event())
        if (await self.condition(name)).active in ("inactive", "failed"):
            done.set()  # its end may have been told before its number was known here
        try:
            await done.wait()
        finally:
            self._jobs.pop(str(job), None)

    async def unload(self, name: str) -> None:
        with contextlib.suppress(UnitError):
            await self._manager("DisableUnitFiles", "asb", [name], True)
        with contextlib.suppress(
            UnitError
        ):  # a unit that systemd has already dropped has no failure to reset
            await self._manager("ResetFailedUnit", "s", name)
        with contextlib.suppress(OSError):
            (self._directory / name).unlink()
        self._paths.pop(object_path(name), None)
        self._known.pop(name, None)

    async def condition(self, name: str) -> Condition:
        try:
            seen = await self._properties("LoadUnit", name)
        except NotLoaded:
            return ABSENT
        self._known[name] = seen
        return seen

    async def close(self) -> None:
        self._link.close()

    async def _properties(self, how: str, name: str) -> Condition:
        before = self._told.get(name, 0)
        (unit,) = await self._manager(how, "s", name)
        (found,) = await self._call(str(unit), _PROPERTIES, "GetAll", "s", _UNIT)
        now = Condition(str(found["LoadState"]), str(found["ActiveState"]), str(found["SubState"]))
        known = self._known.get(name)
        if known is not None and self._told.get(name, 0) != before:
            # A signal is taken in at once, an answer when its turn comes: by then it may be the older one.
            return Condition(now.load, known.active, known.sub)
        return now

    async def _manager(self, member: str, signature: str = "", *arguments: object) -> list[Any]:
        return await self._call(_ROOT, _MANAGER, member, signature, *arguments)

    async def _call(
        self, path: str, interface: str, member: str, signature: str, *arguments: object
    ) -> list[Any]:
        try:
            await self._connect()
            return await self._link.call(path, interface, member, signature, *arguments)
        except CallError as error:
            kind = NotLoaded if error.name == _NO_SUCH_UNIT else UnitError
            raise kind(str(error)) from None
        except OSError as error:
            raise UnitError(str(error)) from None

    async def _connect(self) -> None:
        async with self._connecting:
            if not self._link.open:
                await self._link.connect(self._socket)

    def _signal(self, message: Message) -> None:
        if message.member == "PropertiesChanged":
            name = self._paths.get(message.path)
            if name is not None:
                interface, values, _ = message.body()
                if interface == _UNIT and "ActiveState" in values:
                    self._told[name] = self._told.get(name, 0) + 1
                    known = self._known.get(name) or Condition("loaded", "", "")
                    self._tell(name, Condition(known.load, values["ActiveState"], values["SubState"]))
        elif message.member == "JobRemoved":
            job = message.body()[1]
            done = self._jobs.get(job)
            if done:
                done.set()
        elif message.member == "UnitRemoved":
            name = self._paths.get(str(message.body()[1]))
            if name is not None and not self._reloading:
                self._spawn(self._ask(name))
        elif message.member == "Reloading":
            # Meanwhile every unit is said to be removed, and comes back as it was.
            self._reloading = bool(message.body()[0])

    def _ended(self) -> None:
        for done in self._jobs.values():
            done.set()
        if self._paths:
            self._spawn(self._again())

    async def _again(self) -> None:
        """systemd was executed anew, say: connect and look at every unit."""
        for _ in range(50):
            with contextlib.suppress(OSError):
                await self._connect()
                break
            await asyncio.sleep(0.1)
        for name in list(self._paths.values()):
            await self._ask(name)

    async def _ask(self, name: str) -> None:
        """See how a unit is, without making systemd load what it has just collected."""
        before = self._told.get(name, 0)
        with contextlib.suppress(UnitError):
            try:
                now = await self._properties("GetUnit", name)
            except NotLoaded:
                now = Condition("loaded", "inactive", "dead")
            if name in self._paths.values() and self._told.get(name, 0) == before:
                self._tell(name, now)

    def _tell(self, name: str, condition: Condition) -> None:
        if self._known.get(name) != condition:
            self._known[name] = condition
            self._changed(name, condition)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class NotLoaded(UnitError):
    """systemd knows no unit of this name."""


def object_path(name: str) -> str:
    """The D-Bus path of a unit: every byte but letters and digits (and a leading digit) as _xx."""
    out = []
    for at, byte in enumerate(name.encode()):
        plain = chr(byte).isascii() and chr(byte).isalnum() and not (at == 0 and chr(byte).isdigit())
        out.append(chr(byte) if plain else f"_{byte:02x}")
    return f"{_ROOT}/unit/" + "".join(out)
