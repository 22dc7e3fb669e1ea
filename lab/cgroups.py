"""Control groups of the lab's containers, on hosts with one hierarchy (v2), many (v1) or both."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from lab.errors import MachineError
from lab.waiting import Deadline

ROOT = "discovery-lab"  # directly below each hierarchy's top, where no service manager looks
EMPTY_WITHIN = 10.0  # seconds; it takes milliseconds
CPUSET = ("cpuset.cpus", "cpuset.mems")  # v1: a group takes no process until these are set


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Where the host's control group hierarchies are mounted, read from /proc/mounts."""
    found = []
    for line in (mounts if mounts is not None else Path("/proc/mounts").read_text()).splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and place.startswith("/sys/fs/cgroup"):
            found.append(Path(place))
    return sorted(set(found))


def create(lab: str, machine: str) -> list[Path]:
    """Make a machine's group in every hierarchy; returns the groups."""
    made = []
    for top in hierarchies():
        group = top / ROOT / lab / machine
        group.mkdir(parents=True, exist_ok=True)
        for folder in (top / ROOT, top / ROOT / lab, group):
            for name in CPUSET:
                if (folder / name).exists() and not (folder / name).read_text().strip():
                    (folder / name).write_text((folder.parent / name).read_text())
        made.append(group)
    return made


def pids(lab: str, machine: str = "") -> list[int]:
    """Every process in the groups of a machine, or of the whole lab."""
    found: set[int] = set()
    for top in hierarchies():
        for folder in _tree(top / ROOT / lab / machine):
            with contextlib.suppress(OSError):  # groups come and go while the machine lives
                found.update(int(word) for word in (folder / "cgroup.procs").read_text().split())
    return sorted(found - {0})


def remove(lab: str, machine: str = "") -> bool:
    """Remove the (empty) groups of a machine, or of the whole lab; False if there were none."""
    removed = False
    for top in hierarchies():
        for folder in _tree(top / ROOT / lab / machine):
            _remove_folder(folder)
            removed = True
        with contextlib.suppress(OSError):
            (top / ROOT).rmdir()  # stays while another lab has groups in it
    return removed


def _tree(top: Path) -> list[Path]:
    """`top` and every folder below it, the deepest first; what vanishes meanwhile is left out."""
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]


def _remove_folder(folder: Path) -> None:
    """A group is busy for a moment after its last process: the kernel lets go of it in its own time."""
    deadline = Deadline(EMPTY_WITHIN)
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as problem:
            if deadline.expired():
                raise MachineError(f"control group {folder} cannot be removed: {problem.strerror}") from None
        time.sleep(0.005)
