"""Checks that the host can carry a lab, before anything is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
from lab.store import home

GIB = 1 << 30
DISK = 6 * GIB  # the box (2 GiB), its build beside it, and the machines' own layers
MEMORY = 3 * GIB  # three machines at work and the build of the box

# command: the Debian and Ubuntu package that brings it
COMMON = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
}
LIBVIRT = {
    "libvirtd": "libvirt-daemon",
    "virtlogd": "libvirt-daemon",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "dnsmasq": "dnsmasq-base",
    "mke2fs": "e2fsprogs",
    "vagrant": "vagrant",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `mend` says what to do, "" if all is well."""

    what: str
    ok: bool
    mend: str = ""


def require_host(provider: str) -> None:
    """Raise UserError, one line, for the first thing that the host lacks for this provider ("" for any)."""
    for finding in findings(provider):
        if not finding.ok:
            raise UserError(f"{finding.what}: {finding.mend}")


def findings(provider: str) -> Iterator[Finding]:
    """Look at the host: rights, commands, disk and memory."""
    root = os.geteuid() == 0
    yield Finding("root" if root else "not root", root, "machines need root: run the same command with sudo")
    wanted = {**COMMON, **(LIBVIRT if provider == "libvirt" else {})}
    for command, package in wanted.items():
        found = shutil.which(command) is not None
        yield Finding(f"{command}" if found else f"{command} is missing", found, f"apt-get install {package}")
    free = shutil.disk_usage(_existing(home())).free
    yield Finding(
        f"{free / GIB:.0f} GiB of disk free at {home()}",
        free >= DISK,
        f"the lab needs {DISK // GIB} GiB; free some, or set LAB_HOME to a larger disk",
    )
    memory = available_memory(Path("/proc/meminfo").read_text())
    yield Finding(
        f"{memory / GIB:.1f} GiB of memory free",
        memory >= MEMORY,
        f"the lab needs {MEMORY // GIB} GiB; end something large first",
    )


def available_memory(meminfo: str) -> int:
    """Bytes that programs can still have, from the text of /proc/meminfo."""
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 0


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
