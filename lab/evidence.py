"""Collects what a failed test leaves behind: journals, consoles, keys, units, containers, in one folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path

from lab.errors import MachineError
from lab.running import Lab
from lab.waiting import Deadline

WITHIN = 30.0  # seconds for all of it: a person is waiting, and a machine that hangs must not hold it up
WITHIN_EMULATED = 120.0
FOLDER = ".lab/evidence"

# Each of these says nothing where there is no such thing; a container that hangs is not waited for.
HAPROXY = """\
for name in $(timeout 5 docker ps --format '{{.Names}}'); do
  pid=$(timeout 5 docker inspect -f '{{.State.Pid}}' "$name")
  [ -S "/proc/$pid/root/run/haproxy.sock" ] || continue
  echo "== $name"; timeout 5 python3 -c '
import socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.settimeout(3)
asked.connect(f"/proc/{sys.argv[1]}/root/run/haproxy.sock")
asked.sendall(b"show stat\\n")
print(asked.makefile().read())' "$pid"
done 2>&1 | head -c 200000
"""
# nginx of the machine and of containers: its processes, and every file that its configuration is made of
NGINX = """\
for master in $(pgrep -f '^nginx: master'); do
  root=/proc/$master/root
  echo "== nginx $master: $(head -c 12 "$root/etc/hostname" 2>/dev/null)"
  ps -o pid,etimes,stat,args -p "$master" --ppid "$master"
  for file in "$root"/etc/nginx/nginx.conf "$root"/etc/nginx/conf.d/* "$root"/etc/nginx/sites-enabled/* \
      "$root"/etc/nginx/srv/*; do
    [ -f "$file" ] && echo "-- ${file#"$root"} $(stat -c %y "$file")" && head -c 20000 "$file"
  done
  [ -s "$root/var/log/nginx/error.log" ] && [ -f "$root/var/log/nginx/error.log" ] &&
    echo "-- error.log" && tail -n 200 "$root/var/log/nginx/error.log"
done 2>&1 | head -c 300000
"""
RUNIT = """\
for log in /var/log/*/current; do
  [ -f "$log" ] && echo "== $log" && tail -n 300 "$log" | cut -c -1000
done | head -c 500000
pgrep -x runsvdir >/dev/null && timeout 10 sv status /etc/service/*/ 2>&1
true
"""
SKYDNS = """\
[ -f /etc/default/skydns ] || exit 0
cat /etc/default/skydns /etc/resolv.conf; systemctl status --no-pager --lines 100 skydns.service; true
"""
# A proxy writes a line for each request: two minutes of the busiest traffic that a scenario makes are kept.
LOGS = """\
for name in $(timeout 5 docker ps -a --format '{{.Names}}'); do
  echo "== $name"
  timeout 10 docker logs --timestamps --tail 30000 "$name" 2>&1 | cut -c -1000 | tail -c 6000000
done
"""
# file: the command, run as root on every machine that answers
MACHINE = {
    "journal.txt": "journalctl --no-pager --output short-precise --boot --lines 5000",
    "journal-before.txt": "journalctl --no-pager --output short-precise --boot=-1 --lines 2000",
    "systemd-units.txt": "systemctl list-units --all --no-pager --no-legend; systemctl list-jobs --no-pager",
    "containers.txt": "docker ps -a --no-trunc; docker images",
    "containers.json": "docker ps -aq | xargs -r docker inspect",
    "container-logs.txt": LOGS,
    "haproxy.csv": HAPROXY,
    "nginx.txt": NGINX,
    "runit.txt": RUNIT,
    "skydns.txt": SKYDNS,
    "network.txt": "ip addr; ip route; ss -tanp",
    "processes.txt": "ps -eo pid,ppid,etimes,stat,args",
    "fleet-list-units.txt": "fleetctl list-units",
    "fleet-list-unit-files.txt": "fleetctl list-unit-files",
    "fleet-list-machines.txt": "fleetctl list-machines",
}


def place(test: str) -> Path:
    """The folder for a test's bundle: below LAB_EVIDENCE, or below .lab/evidence of the current folder."""
    name = re.sub(r"[^A-Za-z0-9_.\[\]-]+", "-", test).strip("-")[-120:]
    return Path(os.environ.get("LAB_EVIDENCE") or FOLDER).resolve() / name


def collect(lab: Lab, folder: Path, extra: Mapping[str, Callable[[], str]] | None = None) -> Path:
    """Write the bundle to `folder` (a former one there is replaced) and return it.

    `extra` has files that the test itself knows how to write. Never raises MachineError: what could not be
    had is a line in `missing.txt`. Raises OSError if that or the folder cannot be made. Everything is asked
    at once, and what has not answered by the deadline is left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    deadline = Deadline(WITHIN_EMULATED if lab.provider.emulated else WITHIN)
    missing: list[str] = []
    lock = threading.Lock()

    def keep(path: str, get: Callable[[], str]) -> None:
        try:
            if text := get():  # a machine may have no such thing
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
        except Exception as problem:  # evidence is no place to fail: the test has failed already
            with lock:
                missing.append(f"{path}: {problem}")

    pool = ThreadPoolExecutor(max_workers=24, thread_name_prefix="evidence")
    try:
        wanted = [*(extra or {}).items(), *_lab_wide(lab), *_machines(lab, deadline)]
        jobs = [pool.submit(keep, path, get) for path, get in wanted]
        for job in jobs:
            try:
                job.result(timeout=deadline.left() + 1)
            except FutureTimeout:
                missing.append("something was still being asked for at the deadline")
                break
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    with lock:
        if missing:
            (folder / "missing.txt").write_text("\n".join(missing) + "\n")
    return folder


def _lab_wide(lab: Lab) -> list[tuple[str, Callable[[], str]]]:
    """What is there once: the lab's own description, its registry's log, and etcd as each member sees it."""
    wanted: list[tuple[str, Callable[[], str]]] = [("lab.txt", lambda: _description(lab))]
    wanted += [
        (log.name, lambda log=log: log.read_text(errors="replace"))  # type: ignore[misc]
        for log in (lab.folder / "registry.log", lab.folder / "lab.json")
        if log.exists()
    ]
    wanted += [
        (f"etcd/{name}.json", lambda name=name: _etcd(lab, name))  # type: ignore[misc]
        for name in lab.specs
    ]
    return wanted


def _machines(lab: Lab, deadline: Deadline) -> list[tuple[str, Callable[[], str]]]:
    wanted: list[tuple[str, Callable[[], str]]] = []
    for name, spec in lab.specs.items():
        console = spec.console
        if console.exists():
            wanted.append((f"{name}/console.log", lambda at=console: at.read_text(errors="replace")))  # type: ignore[misc]
        if lab.state(name) != "running":
            continue
        for file, command in MACHINE.items():
            wanted.append(
                (f"{name}/{file}", lambda name=name, line=command: _ask(lab, name, line, deadline))  # type: ignore[misc]
            )
    return wanted


def _ask(lab: Lab, name: str, command: str, deadline: Deadline) -> str:
    if deadline.expired():
        raise MachineError("no time left")
    result = lab[name].run(command, sudo=True, check=False, timeout=deadline.left())
    if not result.ok and not result.stdout:
        raise MachineError(f"ended with {result.code}: {result.stderr.strip()[-300:]}")
    return result.stdout + (f"\n[stderr]\n{result.stderr}" if result.stderr else "")


def _description(lab: Lab) -> str:
    lines = [f"lab {lab.name}, provider {lab.record.provider}, box {lab.record.box}"]
    lines += [f"collected at {time.strftime('%Y-%m-%dT%H:%M:%S%z')}"]
    for name, spec in lab.specs.items():
        machine = spec.machine
        lines.append(f"{name}: {lab.state(name)}, private {machine.private}, public {machine.public}")
    return "\n".join(lines) + "\n"


def _etcd(lab: Lab, member: str) -> str:
    """Every key, hidden ones of fleet included, the members and the index, as one member has them."""
    document = {
        "healthy": lab.etcd.healthy(member),
        "raft index": lab.etcd.index(member),
        "members": [vars(entry) for entry in lab.etcd.members(member=member)],
        "keys": [
            vars(key) for folder in ("/", "/_coreos.com") for key in lab.etcd.keys(folder, member=member)
        ],
    }
    return json.dumps(document, indent=1)
