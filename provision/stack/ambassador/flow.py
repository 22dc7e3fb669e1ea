"""One direction of a forwarded connection: from one socket to another, with back-pressure and half-close."""

from __future__ import annotations

import socket

CHUNK = 64 * 1024  # 256 KiB would pass a fifth more, and hold four times as much for each slow reader
ROUNDS = 8  # chunks in one go before other connections have their turn


class Flow:
    """Moves what `source` sends to `sink`; both are non-blocking.

    `readable` and `writable` are what the sockets were last known to be: the forwarder sets them from its
    (edge-triggered) events, `run` clears them when a socket would block. Nothing is read while the sink would
    block, and at most one chunk is held, when it took a part of it: the sender's own window fills instead.
    """

    __slots__ = ("_held", "_sink", "_source", "broken", "done", "ended", "failed", "readable", "writable")

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._source = source
        self._sink = sink
        self._held: memoryview | None = None
        self.readable = self.writable = False
        self.ended = False  # the source has no more to send
        self.done = False  # and all of it has been passed on, the end included
        self.failed = False  # not all of it could be passed on
        self.broken = False  # the source has been reset: there is no other direction any more either

    def run(self, buffer: memoryview) -> bool:
        """Move bytes until a socket would block; True if it stopped earlier, to let others run."""
        for _ in range(ROUNDS):
            if self.done:
                return False
            if self._held is not None and not self._push(self._held):
                return False
            if self.ended:
                self._finish()
                return False
            if not (self.readable and self.writable):
                return False
            taken = self._pull(buffer)
            if taken:
                self._push(buffer[:taken])
        return not self.done

    def fail(self) -> None:
        """Give up: nothing more can be passed on in this direction."""
        self.done = self.failed = True
        self._held = None

    def _pull(self, buffer: memoryview) -> int:
        try:
            taken = self._source.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            self.readable = False
            return 0
        except OSError:
            self.failed = self.broken = True
            taken = 0
        self.ended = not taken
        return taken

    def _push(self, data: memoryview) -> bool:
        """Pass `data` on; what the sink does not take now is held. True if nothing is held."""
        try:
            sent = self._sink.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.fail()
            return False
        if sent == len(data):
            self._held = None
            return True
        self.writable = False
        rest = data[sent:]
        self._held = rest if data is self._held else memoryview(bytes(rest))
        return False

    def _finish(self) -> None:
        self.done = True
        if self.failed:
            return
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.failed = True
