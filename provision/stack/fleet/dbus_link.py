"""A connection to systemd's own socket: calls with answers, and its signals. No bus daemon in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from fleet import dbus_wire
from fleet.dbus_wire import Message

CALL_TIMEOUT = 30.0
_NUDGE = 0.02


class CallError(Exception):
    """systemd refused a call; `name` is the D-Bus error's name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text or name)
        self.name = name


class Link:
    """Calls on one connection; every signal goes to `on_signal`, the connection's end to `on_end`."""

    def __init__(self, on_signal: Callable[[Message], None], on_end: Callable[[], None]) -> None:
        self._on_signal = on_signal
        self._on_end = on_end
        self._serial = 0
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        return self._writer is not None

    async def connect(self, path: str) -> None:
        """Connect and authenticate as this process's user. Raises OSError."""
        reader, writer = await asyncio.open_unix_connection(path)
        user = str(os.getuid()).encode().hex()
        writer.write(b"\0AUTH EXTERNAL " + user.encode() + b"\r\n")
        answer = await asyncio.wait_for(reader.readline(), CALL_TIMEOUT)
        if not answer.startswith(b"OK"):
            writer.close()
            raise OSError(f"{path}: systemd refuses this user: {answer.decode(errors='replace').strip()}")
        writer.write(b"BEGIN\r\n")
        self._writer = writer
        self._task = asyncio.get_running_loop().create_task(self._read(reader))
        await self._begun()

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", *arguments: Any
    ) -> list[Any]:
        """Call a method. Raises CallError if systemd says no, OSError if it is not there."""
        if self._writer is None:
            raise OSError("no connection to systemd")
        self._serial += 1
        serial = self._serial
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[serial] = answer
        try:
            self._writer.write(dbus_wire.call(serial, path, interface, member, signature, arguments))
            message = await asyncio.wait_for(answer, CALL_TIMEOUT)
        except asyncio.TimeoutError:
            raise OSError(f"systemd did not answer {member} within {CALL_TIMEOUT:g} s") from None
        finally:
            self._answers.pop(serial, None)
        body = message.body()
        if message.kind == dbus_wire.ERROR:
            raise CallError(message.error, str(body[0]) if body else "")
        return body

    async def _begun(self) -> None:
        """Return when systemd takes calls: one that it reads together with BEGIN waits until more comes."""
        pings: set[asyncio.Task[list[Any]]] = set()
        deadline = asyncio.get_running_loop().time() + CALL_TIMEOUT
        answered: set[asyncio.Task[list[Any]]] = set()
        while not answered:
            if asyncio.get_running_loop().time() > deadline:
                self.close()
                raise OSError(f"systemd did not answer within {CALL_TIMEOUT:g} s")
            pings.add(asyncio.ensure_future(self.call("/", "org.freedesktop.DBus.Peer", "Ping")))
            answered, _ = await asyncio.wait(pings, timeout=_NUDGE)
        await asyncio.gather(*pings, return_exceptions=True)

    def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._writer:
            self._writer.close()
            self._writer = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                fixed = await reader.readexactly(16)
                _, fields, body = dbus_wire.lengths(fixed)
                rest = await reader.readexactly(fields + body)
                message = dbus_wire.decode(fixed, rest[:fields], rest[fields:])
                if message.kind == dbus_wire.SIGNAL:
                    self._on_signal(message)
                elif message.reply_to in self._answers and not self._answers[message.reply_to].done():
                    self._answers[message.reply_to].set_result(message)
        except (OSError, EOFError):
            pass
        if self._writer:
            self._writer.close()
        self._writer = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(OSError("the connection to systemd ended"))
        self._on_end()
