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
SUBTREE = "cgroup.subtree_control"  # v2: which controllers the groups below have
SHARES = "cpu.shares"  # v1: of a processor, against the groups *and the single processes* beside it
CROWD = str(10 * 1024)  # as much as ten processes; a group of many that is not told counts as one
DOCKER = "docker"  # where Docker puts all containers of a machine, itself and its helpers staying outside
CPUSET = ("cpuset.cpus", "cpuset.mems")  # v1: a group takes no process until these are set


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Where the host's control group hierarchies are mounted, read from /proc/mounts."""
    found = []
    for line in (mounts if mounts is not None else Path("/proc/mounts").read_text()).splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and place.startswith("/sys/fs/cgroup"):
            found.append(Path(place))
    return sorted(set(found))


def create(lab: str, machine: str, *, memory: int = 0, cpus: int = 0) -> list[Path]:
    """Make a machine's group in every hierarchy; returns the groups.

    `memory` (MiB) and `cpus` bound all that runs in it, where the host's hierarchies can do that. In v1 the
    containers of a machine would all together get what one process gets, while Docker starts more of them.
    """
    made = []
    limits = _limits(memory, cpus)
    for top in hierarchies():
        group = top / ROOT / lab / machine
        group.mkdir(parents=True, exist_ok=True)
        for folder in (top, top / ROOT, top / ROOT / lab):
            with contextlib.suppress(
                OSError
            ):  # v1 has no such file; a host may keep its controllers to itself
                if limits and (folder / SUBTREE).exists():
                    (folder / SUBTREE).write_text("+memory +cpu")
        for name, limit in limits.items():
            if (group / name).exists():
                (group / name).write_text(limit)
        for folder in (top / ROOT, top / ROOT / lab, group):
            for name in CPUSET:
                if (folder / name).exists() and not (folder / name).read_text().strip():
                    (folder / name).write_text((folder.parent / name).read_text())
        if (group / SHARES).exists():
            (group / DOCKER).mkdir(exist_ok=True)
            (group / DOCKER / SHARES).write_text(CROWD)
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


def freeze(lab: str, machine: str) -> None:
    """Stop every process of a machine where it stands; no process of it is told."""
    _set_frozen(lab, machine, True)


def thaw(lab: str, machine: str = "") -> None:
    """Let the processes of a machine (of the whole lab) go on; nothing happens to those that run."""
    _set_frozen(lab, machine, False)


def frozen(lab: str, machine: str) -> bool:
    """Whether a machine has been frozen."""
    group = ROOT + f"/{lab}/{machine}"
    for top in hierarchies():
        with contextlib.suppress(OSError):
            if (top / group / "freezer.self_freezing").read_text().strip() == "1":
                return True
        with contextlib.suppress(OSError):
            if (top / group / "cgroup.freeze").read_text().strip() == "1":
                return True
    return False


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


def _set_frozen(lab: str, machine: str, on: bool) -> None:
    """One hierarchy does it: v1's freezer where there is one, else v2's own switch."""
    tops = [top for top in hierarchies() if (top / ROOT / lab / machine).is_dir()]
    v1 = [top for top in tops if (top / ROOT / lab / machine / "freezer.state").exists()]
    for top in v1 or tops:
        for folder in [top / ROOT / lab / machine] if machine else (top / ROOT / lab).iterdir():
            if (folder / "freezer.state").exists():
                (folder / "freezer.state").write_text("FROZEN" if on else "THAWED")
            elif (folder / "cgroup.freeze").exists():
                (folder / "cgroup.freeze").write_text("1" if on else "0")


def _limits(memory: int, cpus: int) -> dict[str, str]:
    """The files of a group, those of v1 and of v2, and what to write there."""
    period = 100_000  # microseconds, the kernel's own default
    limits: dict[str, str] = {}
    if memory:
        limits |= dict.fromkeys(("memory.limit_in_bytes", "memory.max"), str(memory << 20))
    if cpus:
        limits |= {"cpu.cfs_quota_us": str(cpus * period), "cpu.max": f"{cpus * period} {period}"}
    return limits


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
