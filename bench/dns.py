"""How many answers a second skydns gives, beside dnsmasq, and how soon it sees a change.

Both have the same records and run on loopback, asked in turns by dnsperf (or, where there is none, by a loop
in Python). `python bench/dns.py [--seconds 5] [--rounds 3] [--json]`; needs root once, to make the box.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# not this folder, whose `dns.py` would hide the library
sys.path[:1] = [str(CHECKOUT), str(CHECKOUT / "provision/stack")]

import dns.message  # noqa: E402

from tests.stack.conftest import Etcd, box_command, free_ports  # noqa: E402

LOCAL = "127.0.0.1"
NAMES = 50
DOMAIN = "skydns.local"
CHANGES = 300
KINDS = ("A", "SRV", "NXDOMAIN")
AT_LEAST = 1 / 3  # of dnsmasq's answers per second


def main() -> int:
    """Measure and print; 1 if skydns is below its aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="for each measurement (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind and server (default 3)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("dnsmasq") is None:
        print("bench: no dnsmasq to compare with: apt-get install dnsmasq-base", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, _servers(Path(folder)) as (ports, etcd):
        found: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
        for kind in KINDS:
            for _ in range(options.rounds):
                for server, port in ports.items():
                    rate = _rate(Path(folder), port, kind, options.seconds)
                    found[kind].setdefault(server, []).append(rate)
        changes = _changes(etcd, ports["skydns"])
    rates = {
        kind: {server: statistics.median(each) for server, each in servers.items()}
        for kind, servers in found.items()
    }
    ratios = {kind: each["skydns"] / each["dnsmasq"] for kind, each in rates.items()}
    if options.json:
        print(json.dumps({"answers per second": found, "ratios": ratios, "change, ms": changes}, indent=1))
    else:
        for kind, each in rates.items():
            print(
                f"{kind:<9} skydns {each['skydns']:>8.0f}/s   dnsmasq {each['dnsmasq']:>8.0f}/s   "
                f"ratio {ratios[kind]:.2f}"
            )
        shown = ", ".join(f"{name} {value:.2f} ms" for name, value in changes.items())
        print(f"from etcd's acknowledgement of a change to the first new answer: {shown}")
    return 0 if min(ratios.values()) >= AT_LEAST else 1


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[tuple[dict[str, int], Etcd]]:
    """Both servers, up, by port; and the etcd behind skydns."""
    client_port, peer_port, sky, masq = free_ports(4)
    etcd = Etcd(box_command("etcd"), folder, client_port, peer_port)
    started: list[subprocess.Popen[bytes]] = []
    try:
        etcd.start()
        client = etcd.client()
        lines = ["port=" + str(masq), "no-resolv", "no-hosts", "bind-interfaces", f"local=/{DOMAIN}/"]
        lines += [f"listen-address={LOCAL}", "cache-size=10000", "user=root", "pid-file"]
        for number in range(NAMES):
            for each in "ab":
                address, port = f"10.0.{number}.{ord(each)}", 5000 + number
                key = f"/skydns/local/skydns/web-{number}/{each}"
                client.set(key, json.dumps({"host": address, "port": port}))
                lines.append(f"host-record=web-{number}.{DOMAIN},{address}")
                lines.append(f"host-record={each}.web-{number}.{DOMAIN},{address}")
                lines.append(f"srv-host=web-{number}.{DOMAIN},{each}.web-{number}.{DOMAIN},{port},10,50")
        (folder / "dnsmasq.conf").write_text("\n".join(lines) + "\n")
        environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT / "provision/stack"),
            "ETCD_MACHINES": etcd.endpoint,
        }
        command = [sys.executable, "-m", "skydns.program", "-addr", f"{LOCAL}:{sky}"]
        with (folder / "log").open("wb") as log:
            started.append(subprocess.Popen(command, env=environment, stderr=log))
            started.append(
                subprocess.Popen(
                    ["dnsmasq", "--keep-in-foreground", f"--conf-file={folder}/dnsmasq.conf"], stderr=log
                )
            )
        ports = {"skydns": sky, "dnsmasq": masq}
        for port in ports.values():
            _wait_for(port)
        yield ports, etcd
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
        etcd.stop()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    query = dns.message.make_query(f"web-0.{DOMAIN}", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((LOCAL, port))
        sock.settimeout(0.1)
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                sock.send(query)
                if dns.message.from_wire(sock.recv(4096)).answer:
                    return
            time.sleep(0.05)
    raise SystemExit(f"bench: no answer on port {port}")


def _questions(kind: str) -> list[tuple[str, str]]:
    if kind == "NXDOMAIN":
        return [(f"nobody-{number}.{DOMAIN}", "A") for number in range(NAMES)]
    return [(f"web-{number}.{DOMAIN}", kind) for number in range(NAMES)]


def _rate(folder: Path, port: int, kind: str, seconds: int) -> float:
    """Answers per second over some seconds."""
    if shutil.which("dnsperf") is None:
        return _loop(port, kind, seconds)
    asked = folder / f"{kind}.txt"
    asked.write_text("".join(f"{name} {what}\n" for name, what in _questions(kind)))
    done = subprocess.run(
        [
            "dnsperf",
            "-s",
            LOCAL,
            "-p",
            str(port),
            "-d",
            str(asked),
            "-l",
            str(seconds),
            "-c",
            "4",
            "-q",
            "64",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    )
    match = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    lost = re.search(r"Queries lost:\s+(\d+)", done.stdout)
    if match is None or (lost and int(lost[1]) > 100):
        raise SystemExit(f"bench: dnsperf said: {done.stdout}")
    return float(match[1])


def _loop(port: int, kind: str, seconds: int) -> float:
    """The same by hand: 32 questions are under way at a time."""
    packets = [dns.message.make_query(*question).to_wire() for question in _questions(kind)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((LOCAL, port))
        sock.settimeout(2)
        count, end = 0, time.monotonic() + seconds
        for number in range(32):
            sock.send(packets[number % NAMES])
        while time.monotonic() < end:
            sock.recv(4096)
            count += 1
            sock.send(packets[count % NAMES])
    return count / seconds


def _changes(etcd: Etcd, port: int) -> dict[str, float]:
    """From a write's acknowledgement to the first answer that has it, in ms."""
    client = etcd.client()
    query = dns.message.make_query(f"change.{DOMAIN}", "A").to_wire()
    took = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((LOCAL, port))
        sock.settimeout(5)
        for number in range(CHANGES):
            address = f"10.1.{number // 250}.{number % 250}"
            client.set("/skydns/local/skydns/change", json.dumps({"host": address}))
            began = time.monotonic()
            while True:
                sock.send(query)
                if socket.inet_aton(address) in sock.recv(4096):
                    break
            took.append((time.monotonic() - began) * 1000)
    took.sort()
    return {"median": statistics.median(took), "p99": took[int(len(took) * 0.99)], "max": took[-1]}


if __name__ == "__main__":
    sys.exit(main())
