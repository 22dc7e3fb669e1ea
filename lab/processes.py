"""Starts the processes of a lab so that they outlive the harness, and ends them whatever happened to it.

Each carries the lab's folder in its environment (MARK). A process that the harness started a moment
before it was killed is thus found again, with no race between the start and a written-down id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.errors import MachineError

MARK = "DISCOVERY_LAB"
END_WITHIN = 10.0  # seconds for the kernel to reap what was killed; disk writes may hold it up


def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    folder: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> int:
    """Start a process that belongs to the lab in `folder` and goes on without us; returns its id."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [os.fspath(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **(env or {}), MARK: str(folder)},
        )
    return process.pid


def marked(folder: Path, also: Mapping[str, str] | None = None) -> list[int]:
    """Processes of the lab in `folder`; `also` names further variables that must be in their environment."""
    wanted = [f"{name}={value}".encode() for name, value in {MARK: str(folder), **(also or {})}.items()]
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if all(word in variables for word in wanted):
            found.append(int(entry.name))
    return found


def kill(pids: Iterable[int]) -> int:
    """Kill processes at once and wait until they are gone; returns how many there were."""
    # A signal reaches one that has ended, too, until its parent has looked at it: such a one is gone already.
    targets = [pid for pid in pids if alive(pid) and _signal(pid)]
    end = time.monotonic() + END_WITHIN
    pause = 0.001
    while left := [pid for pid in targets if alive(pid)]:
        if time.monotonic() > end:
            raise MachineError(f"processes {left} are still there {END_WITHIN:g} s after SIGKILL")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return len(targets)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _signal(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
