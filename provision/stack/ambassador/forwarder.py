"""Forwards TCP connections from one listening port to wherever a function says, in one thread, by epoll."""

from __future__ import annotations

import errno
import resource
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from ambassador.address import Address
from ambassador.flow import CHUNK, Flow
from program.log import log

CONNECT_WITHIN = 2.0  # seconds: one SYN may get lost (1 s); a lost machine never answers
DEAD_AFTER_MS = 10_000  # a peer that acknowledges nothing for so long is gone
ANYWHERE = "0.0.0.0"
BACKLOG = 1024
ACCEPT_AT_ONCE = 64
RETRY_ACCEPT = 0.1  # seconds, when the process has no file descriptor left

_READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Pair:
    """A consumer's connection and the one to its provider."""

    __slots__ = ("closed", "connected", "deadline", "down", "inner", "outer", "queued", "target", "up")

    def __init__(self, outer: socket.socket, inner: socket.socket, target: Address, deadline: float) -> None:
        self.outer = outer
        self.inner = inner
        self.target = target
        self.deadline = deadline
        self.up = Flow(outer, inner)
        self.down = Flow(inner, outer)
        self.connected = self.closed = self.queued = False

    def note(self, fd: int, events: int) -> None:
        """Take over what epoll says of one of the two sockets."""
        reading, writing = (self.up, self.down) if fd == self.outer.fileno() else (self.down, self.up)
        if events & _READ:
            reading.readable = True
        if events & _WRITE:
            writing.writable = True
        # A socket that is broken after its last byte was read has nothing left to tell.
        if events & select.EPOLLERR and reading.ended:
            writing.fail()


class Forwarder:
    """Listens at once; `serve` runs until an exception (a signal handler's SystemExit) ends it.

    `target` is asked for each new connection and answers without blocking: an address with a numeric host, or
    None if there is no provider. Such a connection, and one that its provider refuses, is closed at once, so
    that a proxy in front sees it and tries again.
    """

    def __init__(self, port: int, target: Callable[[], Address | None], host: str = ANYWHERE) -> None:
        self._target = target
        self._limit = _descriptors() // 2 - 32
        self._listener = socket.create_server((host, port), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._accepting = True
        self._accept_again = 0.0
        self._pairs: dict[int, Pair] = {}
        self._connecting: deque[Pair] = deque()
        self._runnable: deque[Pair] = deque()
        self._buffer = memoryview(bytearray(CHUNK))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections are being forwarded."""
        return len(self._pairs) // 2

    def serve(self) -> None:
        """Forward until an exception ends it."""
        while True:
            self.turn()

    def turn(self, at_most: float = 60.0) -> None:
        """Wait for something to happen, and see to it."""
        listener = self._listener.fileno()
        knocking = False
        for fd, events in self._epoll.poll(self._pause(at_most)):
            if fd == listener:
                knocking = True
            elif (pair := self._pairs.get(fd)) is not None:
                self._event(pair, fd, events)
        for _ in range(len(self._runnable)):
            self._run(self._runnable.popleft())
        self._expire()
        # Last: a new connection may get the number of a descriptor that was closed above.
        if knocking:
            self._accept()

    def close(self) -> None:
        """Drop everything."""
        for pair in set(self._pairs.values()):
            self._close(pair)
        self._epoll.close()
        self._listener.close()

    def _pause(self, at_most: float) -> float:
        if self._runnable:
            return 0.0
        now = time.monotonic()
        if self._connecting:
            at_most = min(at_most, max(0.0, self._connecting[0].deadline - now))
        if not self._accepting:
            at_most = min(at_most, max(0.0, self._accept_again - now))
        return at_most

    def _event(self, pair: Pair, fd: int, events: int) -> None:
        if pair.closed:
            return
        pair.note(fd, events)
        if not pair.connected:
            if fd != pair.inner.fileno():
                return
            problem = pair.inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                self._refuse(pair, errno.errorcode.get(problem, str(problem)))
                return
            if not events & select.EPOLLOUT:
                return
            pair.connected = True
        self._run(pair)

    def _run(self, pair: Pair) -> None:
        """Move what can be moved both ways; come back to it if there is more."""
        pair.queued = False
        if pair.closed:
            return
        more = pair.up.run(self._buffer)
        more = pair.down.run(self._buffer) or more
        if (pair.up.done and pair.down.done) or any(
            flow.done and flow.broken for flow in (pair.up, pair.down)
        ):
            self._close(pair, reset=pair.up.failed or pair.down.failed)
        elif more and not pair.queued:
            pair.queued = True
            self._runnable.append(pair)

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            if self.connections >= self._limit:
                self._stop_accepting(f"{self.connections} connections are open, which is the limit")
                return
            try:
                outer, _peer = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._stop_accepting(str(error))
                    return
                continue  # the consumer went away while it waited to be accepted
            self._connect(outer)

    def _connect(self, outer: socket.socket) -> None:
        target = self._target()
        if target is None:
            outer.close()
            return
        try:
            inner = socket.socket(socket.AF_INET6 if ":" in target.host else socket.AF_INET)
        except OSError as error:
            log(f"connection dropped: {error}")
            outer.close()
            return
        for sock in (outer, inner):
            _tune(sock)
        pair = Pair(outer, inner, target, time.monotonic() + CONNECT_WITHIN)
        self._pairs[outer.fileno()] = self._pairs[inner.fileno()] = pair
        problem = inner.connect_ex((target.host, target.port))
        if problem not in (0, errno.EINPROGRESS):
            self._refuse(pair, errno.errorcode.get(problem, str(problem)))
            return
        self._connecting.append(pair)
        self._epoll.register(outer, _EDGES)
        self._epoll.register(inner, _EDGES)

    def _expire(self) -> None:
        now = time.monotonic()
        while self._connecting:
            pair = self._connecting[0]
            if not pair.connected and not pair.closed:
                if pair.deadline > now:
                    break
                self._refuse(pair, f"no answer within {CONNECT_WITHIN:g} s")
            self._connecting.popleft()
        if not self._accepting and self._accept_again <= now and self.connections < self._limit:
            self._accepting = True
            self._epoll.register(self._listener, select.EPOLLIN)

    def _refuse(self, pair: Pair, why: str) -> None:
        log(f"no connection to {pair.target}: {why}")
        self._close(pair)

    def _stop_accepting(self, why: str) -> None:
        log(f"new connections wait: {why}")
        self._accepting = False
        self._accept_again = time.monotonic() + RETRY_ACCEPT
        self._epoll.unregister(self._listener)

    def _close(self, pair: Pair, *, reset: bool = False) -> None:
        """Close both sides; with a reset if one of them was broken, so that the other learns of it."""
        pair.closed = True
        for sock in (pair.outer, pair.inner):
            self._pairs.pop(sock.fileno(), None)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()


def _tune(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A machine that loses power says no goodbye: without these its connections would stay for ever.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)


def _descriptors() -> int:
    """Allow as many open files as the system lets this process have, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else min(soft, 65536)
