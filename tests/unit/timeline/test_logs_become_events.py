"""What Docker and runit keep on a machine, as machines of the lab printed it, becomes events."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.timeline_logs import command, read

# 2026-11-28T03:22:13Z by the machine's clock; the host's is 1795836133 behind it.
HOST = -1795836133.0
BALANCER = """\
now 1795836194.864554210 2131.05
event 1795836150485475813 start etcd
event 1795836151788848367 start haproxy
state /haproxy 2026-11-28T03:22:31.753212682Z 2026-11-28T03:22:28.88723767Z false
state /etcd 2026-11-28T03:22:30.460226905Z 0001-01-01T00:00:00Z false
log haproxy 2026-11-28T03:22:33.234760777Z confd[8]: INFO Target config /etc/x has been updated
log haproxy 2026-11-28T03:22:35.500000000Z [WARNING]  (21) : Server instances/10.1.0.102:32768 is DOWN
log haproxy 2026-11-28T03:22:35.500000000Z Server instances/10.1.0.102:32768 is DOWN, reason: Health analyze
log haproxy 2026-11-28T03:22:36
"""
FRONT = """\
runit nginx-srv 2026-11-28_03:22:20.50000 nginx-srv: grafana.s.prod.example.com.: 10.1.0.103:8087
runit nginx-srv 2026-11-28_03:22:21.50000 nginx-srv: grafana.s.prod.example.com.: left as it is: no answer
runit docker-grafana 2026-11-28_03:22:22.50000 rundock: grafana: the container ended with 137
runit docker-grafana 2026-11-28_03:22:23.50000 rundock: grafana: no answer from 10.1.0.103:8087, withdrawn
"""


def told(said: str, machine: str = "host-1") -> list[tuple[float, str, str, str]]:
    events = read(said.splitlines(), machine, HOST)
    return [(round(event.at, 1), event.kind, event.lane, event.what) for event in events if event.at > 0]


def test_containers_start_and_end_and_their_proxies_follow() -> None:
    assert told(BALANCER) == [
        (17.5, "unit", "host-1:etcd", "started"),
        (18.8, "unit", "host-1:haproxy", "started"),
        (20.2, "proxy", "host-1:haproxy", "follows"),
        (22.5, "proxy", "host-1:haproxy", "follows"),
        (
            15.9,
            "unit",
            "host-1:haproxy",
            "exited",
        ),  # of which Docker has forgotten the event with its restart
    ]


def test_services_of_runit_end_and_follow() -> None:
    assert told(FRONT, "node-front-1") == [
        (7.5, "proxy", "node-front-1:nginx-srv", "follows"),
        (9.5, "unit", "node-front-1:grafana", "exited"),
    ]


def test_an_end_that_docker_and_runit_tell_of_is_one() -> None:
    said = "event 1795836142000000000 die grafana\n" + FRONT
    assert [event for event in told(said) if event[1] == "unit"] == [
        (9.0, "unit", "host-1:grafana", "exited")
    ]


def test_what_was_before_the_boot_is_told_by_the_clock_of_then() -> None:
    said = [
        "now 1000 10",
        "log x 1970-01-01T00:16:29Z Target config a has been updated",
        "log x 1970-01-01T00:16:31Z Target config b has been updated",
    ]
    assert [event.at for event in read(said, "m", -900.0, before=-500.0)] == [489.0, 91.0]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with a `docker` that knows one container that runs detached and one that does not."""
    docker = tmp_path / "docker"
    docker.write_text("""#!/bin/sh
case $1 in
    events) echo "event 1 start $2" ;;
    ps) echo a; echo b ;;
    inspect) echo "state /a 1 2 false"; echo "state /b 1 2 true" ;;
    logs) seq -f "%g GET / of $5" 20000; seq -f '%g Server x is UP' 3000 ;;
esac
""")
    docker.chmod(0o755)
    return tmp_path


def run(machine: Path, path: str) -> list[str]:
    return subprocess.run(
        ["sh", "-c", command(0.5)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.splitlines()


def test_a_machine_tells_no_more_than_is_of_use(machine: Path) -> None:
    said = run(machine, f"{machine}:{os.environ['PATH']}")
    logs = [line for line in said if line.startswith("log ")]
    assert len(logs) == 2000
    assert {line.split()[1] for line in logs} == {"a"}, "the other one's is in the journal"
    assert logs[-1] == "log a 3000 Server x is UP"
    assert [line for line in said if line.startswith(("event", "state"))] == [
        "event 1 start --since",
        "state /a 1 2 false",
        "state /b 1 2 true",
    ]


def test_a_machine_without_docker_is_no_error(machine: Path) -> None:
    (machine / "docker").unlink()
    tools = machine / "tools"
    tools.mkdir()
    for name in ("sh", "date", "find", "grep", "tail", "cut", "sed", "timeout"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (first, *_) = run(machine, str(tools))
    assert first.startswith("now ")
