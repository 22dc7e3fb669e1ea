"""The link to systemd answers although systemd may not see a call that came together with BEGIN."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

from fleet import dbus_wire
from fleet.dbus_link import Link

HEAD = 16


def reply(to: int) -> bytes:
    """An empty method return, laid out by hand."""
    return b"l\x02\x00\x01" + struct.pack("<III", 0, 1, 8) + b"\x05\x01u\x00" + struct.pack("<I", to)


async def like_systemd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes what comes with BEGIN, and looks at it when more comes."""
    await reader.readuntil(b"\r\n")
    writer.write(b"OK 0123\r\n")
    waiting = b""
    while b"BEGIN\r\n" not in waiting or waiting.endswith(b"BEGIN\r\n"):
        waiting += await reader.read(4096)
    waiting = waiting.partition(b"BEGIN\r\n")[2]
    while more := await reader.read(4096):
        waiting += more
        while len(waiting) >= HEAD:
            _, fields, body = dbus_wire.lengths(waiting[:HEAD])
            (serial,) = struct.unpack("<I", waiting[8:12])
            waiting = waiting[HEAD + fields + body :]
            writer.write(reply(serial))


def test_a_call_that_was_read_together_with_begin_is_answered(tmp_path: Path) -> None:
    async def run() -> list[object]:
        server = await asyncio.start_unix_server(like_systemd, tmp_path / "socket")
        link = Link(lambda message: None, lambda: None)
        await asyncio.wait_for(link.connect(str(tmp_path / "socket")), 5)
        answer = await asyncio.wait_for(link.call("/", "org.x.Y", "Do"), 5)
        link.close()
        server.close()
        return answer

    assert asyncio.run(run()) == []
