"""A way to etcd that can be shut: what is sent then has no answer, and may reach etcd late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Gate:
    """`endpoint` is etcd's, by way of the gate; `late` is what it has kept from etcd so far."""

    def __init__(self, port: int, target: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.late: list[bytes] = []
        self._target = target
        self._shut: Callable[[bytes], bool] = lambda request: False

    def open(self) -> None:
        self._shut = lambda request: False

    def shut(self, concerns: Callable[[bytes], bool] = lambda request: True) -> None:
        """From now on lose the requests that `concerns` picks, and whatever follows on their connections."""
        self._shut = concerns

    @property
    def lost(self) -> int:
        return len(self.late)

    async def deliver(self) -> list[int]:
        """Let etcd have what was kept from it, after all; the status of each answer."""
        found = []
        for request in self.late:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
            writer.write(request)
            found.append(int((await reader.readline()).split()[1]))
            writer.close()
        self.late.clear()
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_etcd, to_etcd = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.ensure_future(_copy(from_etcd, writer))
        lost = False
        try:
            while data := await reader.read(65536):  # the client sends a request in one piece
                if lost or self._shut(data):
                    lost = True
                    self.late.append(data)
                else:
                    to_etcd.write(data)
        except OSError:
            pass
        finally:
            back.cancel()
            to_etcd.close()
            writer.close()


@asynccontextmanager
async def gate(endpoint: str) -> AsyncIterator[Gate]:
    """A gate before this etcd on loopback."""
    made: list[Gate] = []
    server = await asyncio.start_server(lambda r, w: made[0].serve(r, w), "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    made.append(Gate(port, int(endpoint.rpartition(":")[2])))
    try:
        yield made[0]
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
