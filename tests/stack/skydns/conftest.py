"""skydns as a process beside a real etcd, asked with a DNS library and with dig."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.stack.conftest import Etcd, box_command, free_ports, wait_for

STACK = Path(__file__).resolve().parents[3] / "provision" / "stack"
LOCAL = "127.0.0.1"
DOMAIN = "skydns.local"


@dataclass
class Sky:
    """A running skydns."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    domain: str = DOMAIN

    def ask(
        self, name: str, kind: str = "A", *, tcp: bool = False, rdclass: str = "IN", **options: object
    ) -> dns.message.Message:
        """The reply to a question; `name` is below the domain unless it ends with a dot."""
        full = name if name.endswith(".") else f"{name}.{self.domain}.".lstrip(".")
        query = dns.message.make_query(full, kind, rdclass, **options)  # type: ignore[arg-type]
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, LOCAL, timeout=5, port=self.port)

    def records(self, name: str, kind: str = "A", **options: object) -> list[str]:
        """What the answer section holds: each record's type and data, sorted."""
        message = self.ask(name, kind, **options)  # type: ignore[arg-type]
        assert message.rcode() == dns.rcode.NOERROR
        return sorted(flat(message.answer))

    def code(self, name: str, kind: str = "A") -> tuple[str, str, int]:
        """The reply's code, its flags, and how many records its answer section holds."""
        message = self.ask(name, kind)
        return (
            dns.rcode.to_text(message.rcode()),
            dns.flags.to_text(message.flags),
            len(message.answer),
        )

    def dig(self, *words: str) -> str:
        """What dig prints."""
        command = [*dig_command(), f"@{LOCAL}", "-p", str(self.port), "+tries=1", "+time=5", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout

    def logged(self, text: str, within: float = 5) -> None:
        """Return when the log has a text."""
        wait_for(lambda: text in self.log.read_text(), within, f"{text!r} in\n{self.log.read_text()}")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(5)


Start = Callable[..., Sky]


def flat(section: Iterable[dns.rrset.RRset]) -> list[str]:
    """The records of a section as words: "A 10.0.0.1"."""
    return [f"{dns.rdatatype.to_text(rrset.rdtype)} {data.to_text()}" for rrset in section for data in rrset]


def dig_command() -> list[str]:
    """dig of the host, or of the box."""
    found = shutil.which("dig")
    return [found] if found else box_command("dig")


@pytest.fixture
def running() -> Iterator[list[Sky]]:
    """Every skydns of the test; ended with it."""
    started: list[Sky] = []
    yield started
    for sky in started:
        sky.process.kill()
        sky.process.wait()


@pytest.fixture
def start(etcd: Etcd, tmp_path: Path, running: list[Sky]) -> Start:
    """Starts skydns with flags and an environment."""

    def go(*flags: str, ready: bool = True, domain: str = DOMAIN, **environment: str) -> Sky:
        (port,) = free_ports(1)
        log = tmp_path / f"skydns-{len(running)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "skydns.program",
                    "-addr",
                    f"{LOCAL}:{port}",
                    "-domain",
                    domain,
                    *flags,
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": str(STACK),
                    "ETCD_MACHINES": etcd.endpoint,
                    "SKYDNS_NAMESERVERS": f"{LOCAL}:9",
                    **environment,
                },
                stderr=out,
            )
        sky = Sky(process, port, log, domain)
        running.append(sky)
        if ready:
            sky.logged("for udp")
            sky.logged("for tcp")
        return sky

    return go


@pytest.fixture
def sky(start: Start) -> Sky:
    """skydns with no flags but where to listen."""
    return start()


@dataclass
class Records:
    """The keys below /skydns. A change is in every answer when the call returns: events come in order."""

    etcd: Etcd
    running: list[Sky]
    changes: int = 0

    def __call__(
        self, path: str, *, within: str = "local/skydns", expires: int | None = None, **fields: object
    ) -> None:
        """Write a record: `put("web/a", host="10.0.0.1")` is a.web.skydns.local."""
        self.raw("/".join(part for part in (within, path) if part), json.dumps(fields), expires)

    def raw(self, key: str, value: str, expires: int | None = None) -> None:
        """Write any value below /skydns."""
        self.etcd.client().set(f"/skydns/{key}", value, expires)
        self._settle()

    def remove(self, path: str) -> None:
        """Remove a record."""
        self.etcd.client().delete(f"/skydns/local/skydns/{path}", recursive=True)
        self._settle()

    def _settle(self) -> None:
        self.changes += 1
        mark = f"change {self.changes}"
        for sky in self.running:
            path = "/".join(reversed(sky.domain.split(".")))
            self.etcd.client().set(f"/skydns/{path}/mark", json.dumps({"text": mark}))
            wait_for(lambda sky=sky: mark in str(sky.ask("mark", "TXT")), 5, f"skydns sees {mark}")  # type: ignore[misc]


@pytest.fixture
def put(etcd: Etcd, running: list[Sky]) -> Records:
    """Writes records."""
    return Records(etcd, running)
