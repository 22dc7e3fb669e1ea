"""Several fleetd on one host against one real etcd, their units in memory (see daemon.py)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from etcdv2.model import KeyNotFound
from etcdv2.sync import Client
from tests.stack.conftest import ANSWER_WITHIN

ROOT = Path(__file__).parents[3]
DAEMON = Path(__file__).with_name("daemon.py")


class Etcd(Protocol):
    @property
    def endpoint(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def client(self) -> Client: ...


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass
class Fleet:
    """The cluster: machines by number, fleetctl against any of them."""

    folder: Path
    endpoint: str
    ttl: str = "30s"  # a shorter one only where a key is to expire: a host may stand still for two
    flags: dict[int, list[str]] = field(default_factory=dict)
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def client(self) -> Client:
        return Client(self.endpoint, ANSWER_WITHIN)

    def id(self, number: int) -> str:
        return f"{number}{'0' * 30}{number}"

    def boot(self, *numbers: int, address: str | None = None, identity: str | None = None) -> None:
        for number in numbers:
            file = self.folder / f"id{number}"
            file.write_text((identity or self.id(number)) + "\n")
            flags = ["--etcd_servers", self.endpoint, "--agent_ttl", self.ttl]
            flags += [
                "--public_ip",
                address or f"10.1.0.{number}",
                "--config",
                str(self.folder / "fleet.conf"),
            ]
            with (self.folder / f"fleetd{number}.log").open("ab") as log:
                self.processes[number] = subprocess.Popen(
                    [
                        sys.executable,
                        *(str(DAEMON), str(self.socket(number)), str(file)),
                        *(*flags, *self.flags.get(number, [])),
                    ],
                    env={**os.environ, "PYTHONPATH": str(ROOT / "provision/stack"), **self.environment()},
                    stderr=log,
                    stdout=log,
                )

    def up(self, *numbers: int) -> None:
        self.boot(*numbers)
        wanted = len(self.processes)

        def seen() -> bool:
            each = [self.ctl("list-machines", "--no-legend", on=number) for number in numbers]
            return all(len(one.out.splitlines()) == wanted for one in each)

        self.eventually(seen, 15, f"{wanted} machines seen by each")

    def kill(self, number: int) -> None:
        """No word to anybody."""
        process = self.processes.pop(number)
        process.kill()
        process.wait()

    def terminate(self, number: int) -> int:
        process = self.processes.pop(number)
        process.send_signal(signal.SIGTERM)
        return process.wait(10)

    def ctl(self, *arguments: str, on: int = 1) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "fleet.fleetctl", "--endpoint", f"unix://{self.socket(on)}", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "provision/stack")},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def unit(self, name: str, fleet: str = "", service: str = "ExecStart=/bin/sleep 1d") -> str:
        text = f"[Service]\n{service}\n" + (f"\n[X-Fleet]\n{fleet}\n" if fleet else "")
        (self.folder / name).write_text(text)
        return name

    def place(self, name: str, on: int = 1) -> str:
        """The machine that runs the unit by list-units, active; empty if none does."""
        rows = self.ctl("list-units", "--no-legend", "--full", on=on).out.splitlines()
        found = [row.split() for row in rows if row.split()[0] == name]
        return found[0][1].partition("/")[0] if len(found) == 1 and found[0][2] == "active" else ""

    def history(self) -> list[tuple[float, str, str, str]]:
        lines = (
            (self.folder / "history").read_text().splitlines() if (self.folder / "history").exists() else []
        )
        return [(float(a), b, c, d) for a, b, c, d in (line.split() for line in lines)]

    def socket(self, number: int) -> Path:
        return self.folder / f"s{number}"

    def environment(self) -> dict[str, str]:
        return {"FLEET_TEST_LOG": str(self.folder / "history")}

    def log(self, number: int) -> str:
        return (self.folder / f"fleetd{number}.log").read_text()

    def eventually(self, check: Callable[[], object], within: float, what: str) -> float:
        """Check, then every 20 ms; the seconds that it took."""
        started = time.monotonic()
        while not check():
            if time.monotonic() - started > within:
                logs = "".join(f"-- {n}\n{self.log(n)[-1500:]}" for n in self.processes)
                pytest.fail(f"not within {within} s: {what}\n{logs}")
            time.sleep(0.02)
        return time.monotonic() - started


@pytest.fixture
def fleet(etcd: Etcd, tmp_path: Path) -> Iterator[Fleet]:
    with contextlib.suppress(KeyNotFound):  # a hidden directory: no listing of / shows it
        etcd.client().delete("/_coreos.com", recursive=True)
    (tmp_path / "fleet.conf").write_text("")
    cluster = Fleet(tmp_path, etcd.endpoint)
    yield cluster
    for process in cluster.processes.values():
        process.kill()
    for process in cluster.processes.values():
        process.wait()
