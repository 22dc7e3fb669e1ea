"""The ambassadors' forwarder and socat side by side on loopback: bulk transfer and short requests, as ratios.

Both forward to the same server, driven by the same clients, in turn, in rounds; the medians are compared.
The CPU time is the forwarder's own, its children's included. Exit code 1 if less than half of socat's passes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

STACK = Path(__file__).resolve().parent.parent / "provision" / "stack"
AIM = 0.5

Load = Callable[[int, float], float]
Handler = Callable[[socket.socket], None]

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
RESPONSE = b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 500
OURS = (
    "import sys; from ambassador.address import Address; from ambassador.forwarder import Forwarder; "
    "target = Address('127.0.0.1', int(sys.argv[2])); "
    "Forwarder(int(sys.argv[1]), lambda: target, '127.0.0.1').serve()"
)


@dataclass(frozen=True)
class Figure:
    """What one forwarder did in one round: units a second, and CPU seconds per 1,000 units."""

    rate: float
    cpu: float


def main() -> int:
    """Run both, print the figures, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("socat") is None:
        print("socat is not installed: apt-get install socat", file=sys.stderr)
        return 2
    bulk: dict[str, list[Figure]] = {"socat": [], "ours": []}
    short: dict[str, list[Figure]] = {"socat": [], "ours": []}
    with server(send_forever) as bulk_port, server(answer_once) as short_port:
        for _ in range(options.rounds):
            for name in ("socat", "ours"):
                bulk[name].append(measure(name, bulk_port, options.seconds, drain))
                short[name].append(measure(name, short_port, options.seconds, ask))
    results = {"bulk, MB/s": bulk, "short requests, 1/s": short}
    return report(results, options.json)


def report(results: dict[str, dict[str, list[Figure]]], as_json: bool) -> int:
    """Print one line a measurement; 1 if we miss the aim."""
    document = {}
    good = True
    for what, figures in results.items():
        rates = {name: statistics.median(figure.rate for figure in of) for name, of in figures.items()}
        cpus = {name: statistics.median(figure.cpu for figure in of) for name, of in figures.items()}
        ratio = rates["ours"] / rates["socat"]
        good = good and ratio >= AIM
        document[what] = {"rate": rates, "cpu": cpus, "ratio": ratio, "aim": AIM}
        if not as_json:
            print(
                f"{what}: ours {rates['ours']:.0f}, socat {rates['socat']:.0f}, ratio {ratio:.2f} "
                f"(aim: at least {AIM}); CPU seconds per 1,000: {cpus['ours']:.3f} to {cpus['socat']:.3f}"
            )
    if as_json:
        print(json.dumps(document))
    return 0 if good else 1


def measure(name: str, target: int, seconds: float, load: Load) -> Figure:
    """Start the forwarder, put the load on it, stop it."""
    with forwarder(name, target) as (port, pid):
        before = cpu_seconds(pid)
        started = time.monotonic()
        units = load(port, seconds)
        taken = time.monotonic() - started
        used = cpu_seconds(pid) - before
    return Figure(units / taken, used * 1000 / units)


def drain(port: int, seconds: float) -> float:
    """Megabytes that one connection delivers; thrown away in the kernel, so that the load costs little."""
    total = 0
    deadline = time.monotonic() + seconds
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        while time.monotonic() < deadline:
            total += sock.recv_into(buffer, len(buffer), socket.MSG_TRUNC)
    return total / 1e6


def ask(port: int, seconds: float) -> float:
    """Requests answered, one connection each, by eight clients at once."""
    counts = [0] * 8
    deadline = time.monotonic() + seconds

    def client(number: int) -> None:
        while time.monotonic() < deadline:
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                sock.sendall(REQUEST)
                got = 0
                while chunk := sock.recv(65536):
                    got += len(chunk)
            if got != len(RESPONSE):
                raise RuntimeError(f"{got} bytes instead of {len(RESPONSE)}")
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(sum(counts))


def send_forever(connection: socket.socket) -> None:
    """Send zeros out of the page cache until the other side has gone."""
    descriptor = os.memfd_create("zeros")
    try:
        os.truncate(descriptor, 16 << 20)
        with contextlib.suppress(OSError):
            while True:
                os.sendfile(connection.fileno(), descriptor, 0, 16 << 20)
    finally:
        os.close(descriptor)


def answer_once(connection: socket.socket) -> None:
    """Read one request, answer it, hang up."""
    with contextlib.suppress(OSError):
        connection.recv(4096)
        connection.sendall(RESPONSE)


@contextlib.contextmanager
def server(handle: Handler) -> Iterator[int]:
    """A child process that serves each connection with `handle`, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    child = os.fork()
    if child == 0:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve_one, args=(connection, handle), daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def serve_one(connection: socket.socket, handle: Handler) -> None:
    """Handle a connection and close it."""
    with connection:
        handle(connection)


@contextlib.contextmanager
def forwarder(name: str, target: int) -> Iterator[tuple[int, int]]:
    """One of the two forwarders, listening on the port that is yielded with its process id."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    if name == "socat":
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=1024"
        command = ["socat", listen, f"TCP:127.0.0.1:{target}"]
    else:
        command = [sys.executable, "-S", "-c", OURS, str(port), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(STACK)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not listen")
            time.sleep(0.02)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    """True if something takes connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of children it has waited for, and of those still running."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(int(field) for field in fields[11:15])
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:13])
    return total / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
