"""The delay line's own process: passes frames between a machine's port and its bridge, late on the way in.

Runs as `python -I -S relay.py JSON` inside the lab's network namespace, until it is told to end or one of
its two devices is gone. What the machine sends passes at once, what is sent to it waits. It imports next to
nothing, to start at once, and knows nothing of bridges: who starts it puts the devices where they belong.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time

LIMIT = 32 << 20  # bytes under way, then frames are lost as on any full line: 2.5 Gbit/s for 100 ms
COST = 256  # bytes that a frame takes beside its own, so that many small ones are bounded, too
LARGEST = 1 << 17  # bytes of a frame that has not been cut into packets yet, and its header
BURST = 64  # frames from one side before the other one is looked at
BUFFER = 8 << 20  # bytes that the kernel keeps while this process waits for a processor
LOOK = 1.0  # seconds between two looks whether the devices are still there
HEADER = 10  # bytes of the kernel's own before each frame: what is left to be done about checksum and size

# Not in Python's socket module, from linux/if_packet.h and asm-generic/socket.h.
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
PROMISCUOUS = 1
EVERY_PROTOCOL = 3
SO_RCVBUFFORCE = 33


class Line:
    """Frames under way: they leave in the order in which they came, `delay` seconds later, never sooner."""

    def __init__(self, delay: float, limit: int = LIMIT) -> None:
        self.delay = delay
        self.limit = limit
        self.size = 0
        self.frames: collections.deque[tuple[float, bytes]] = collections.deque()

    def put(self, now: float, frame: bytes) -> bool:
        """Take a frame; False if the line is full and the frame lost."""
        if self.size + len(frame) + COST > self.limit:
            return False
        self.size += len(frame) + COST
        self.frames.append((now + self.delay, frame))
        return True

    def take(self, now: float) -> bytes | None:
        """The next frame whose time has come."""
        if not self.frames or self.frames[0][0] > now:
            return None
        _, frame = self.frames.popleft()
        self.size -= len(frame) + COST
        return frame

    def wait(self, now: float) -> float:
        """Seconds until there is something to take; for ever while there is nothing under way."""
        return max(0.0, self.frames[0][0] - now) if self.frames else float("inf")


def open_socket() -> socket.socket:
    """A socket for whole frames that hears nothing before it is bound. Raises OSError where there is none."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        # machines leave checksums and the cutting of long frames to whoever sends them on a real wire
        made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)  # what we send ourselves would come back
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


class End:
    """One of the two devices."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.index = socket.if_nametoindex(device)
        self.buffer = bytearray(LARGEST)
        self.socket = open_socket()
        with contextlib.suppress(OSError):  # without the right to it, the kernel's default has to do
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        everybody = struct.pack("iHH8s", self.index, PROMISCUOUS, 0, b"")
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everybody)
        self.socket.bind((device, EVERY_PROTOCOL))

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> list[bytes]:
        """The frames that have come, at most a burst of them."""
        frames = []
        for _ in range(BURST):
            try:
                size = self.socket.recv_into(self.buffer)
            except BlockingIOError:
                break
            except OSError:  # the device is down, or this frame is of a kind that the header has no word for
                continue
            if size > HEADER:
                frames.append(bytes(memoryview(self.buffer)[:size]))
        return frames

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire; it is lost where the device is down or has no room."""
        with contextlib.suppress(OSError):
            self.socket.send(frame)

    def there(self) -> bool:
        """Whether the device is still the same: a machine that boots has a new one of that name."""
        try:
            return socket.if_nametoindex(self.device) == self.index
        except OSError:
            return False


class Relay:
    """`port` leads to the machine, `wire` to its bridge."""

    def __init__(self, port: End, wire: End, delay: float) -> None:
        self.port = port
        self.wire = wire
        self.line = Line(delay)

    def run(self, told: int) -> None:
        """Pass frames until there is something to read from `told`; what is under way goes at once then."""
        look = 0.0
        while True:
            now = time.monotonic()
            if now >= look:
                if not (self.port.there() and self.wire.there()):
                    return
                look = now + LOOK
            wait = min(look - now, self.line.wait(now))
            ready, _, _ = select.select([self.port.fileno(), self.wire.fileno(), told], [], [], wait)
            if self.port.fileno() in ready:
                for frame in self.port.receive():
                    self.wire.send(frame)
            if self.wire.fileno() in ready:
                frames = self.wire.receive()
                now = time.monotonic()  # later than any of them came
                for frame in frames:
                    self.line.put(now, frame)
            self.deliver(time.monotonic())
            if told in ready:
                self.deliver(float("inf"))
                return

    def deliver(self, now: float) -> None:
        """Send the machine what is due."""
        while (frame := self.line.take(now)) is not None:
            self.port.send(frame)


def when_told() -> int:
    """A descriptor that has something to read once this process was asked to end."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    return read


def go_first() -> None:
    """Run before all that is not as urgent: a frame must not wait for a processor on top of its delay."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main(order: str) -> None:
    wanted = json.loads(order)
    told = when_told()
    relay = Relay(End(wanted["port"]), End(wanted["wire"]), wanted["delay"])
    go_first()
    print("ready", flush=True)
    relay.run(told)


if __name__ == "__main__":
    main(sys.argv[1])
