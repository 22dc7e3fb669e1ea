"""Control groups of the lab's containers, on hosts with one hierarchy (v2), many (v1) or both."""

from __future__ import annotations

import contextlib
from pathlib import Path

ROOT = "discovery-lab"  # directly below each hierarchy's top, where no service manager looks
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
        for procs in (top / ROOT / lab / machine).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(word) for word in procs.read_text().split())
    return sorted(found - {0})


def remove(lab: str, machine: str = "") -> bool:
    """Remove the (empty) groups of a machine, or of the whole lab; False if there were none."""
    removed = False
    for top in hierarchies():
        group = top / ROOT / lab / machine if machine else top / ROOT / lab
        if group.is_dir():
            folders = [group, *(entry for entry in group.rglob("*") if entry.is_dir())]
            for folder in sorted(folders, key=lambda entry: len(entry.parts), reverse=True):
                folder.rmdir()
            removed = True
        with contextlib.suppress(OSError):
            (top / ROOT).rmdir()  # stays while another lab has groups in it
    return removed
