"""Keeps one nspawn machine running: boots it, and boots it again when it reboots, until it powers off.

Runs as a process of its own (`python -I -S keeper.py FILE.json`) inside a private mount namespace, so
that the machine's mounts go with it however it ends. It imports next to nothing: three of them start at
once whenever a lab comes up, and that time is the user's.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is not imported at run time: it would double the start-up time
    from typing import Any

CLONE_NEWNET = 0x40000000
REBOOT = 133  # systemd-nspawn's exit status when the machine asked for a reboot
TYPES = {"eth0": "control", "eth1": "private", "eth2": "public"}


def main(path: str) -> int:
    with open(path) as file:
        machine = json.load(file)
    enter_cgroups(machine["cgroups"])
    mount(machine)
    status = REBOOT
    while status == REBOOT:
        connect(machine)
        say("booting")
        status = subprocess.call(nspawn(machine), stdin=subprocess.DEVNULL)
    say(f"powered off (status {status})")
    return 0


def enter_cgroups(folders: list[str]) -> None:
    """Move this process, and thus the machine, into cgroups of its own in every hierarchy."""
    for folder in folders:
        with open(os.path.join(folder, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))


def mount(machine: dict[str, Any]) -> None:
    """Put the machine's own layer above the box.

    `volatile`: no sync reaches the host's disk, whose journal is busy for seconds after a lab's files were
    linked and removed. Nothing is lost, since what was written is in the host's memory. The kernel leaves a
    mark that keeps such a layer from being mounted again, as it would be after a crash of the host.
    """
    mark = os.path.join(machine["work"], "work", "incompat", "volatile")
    for remove, path in ((os.unlink, os.path.join(mark, "dirty")), (os.rmdir, mark)):
        with contextlib.suppress(FileNotFoundError):
            remove(path)
    layers = ":".join(machine["layers"])
    options = f"lowerdir={layers},upperdir={machine['upper']},workdir={machine['work']},volatile"
    subprocess.check_call(["mount", "-t", "overlay", "overlay", "-o", options, machine["root"]])


def connect(machine: dict[str, Any]) -> None:
    """Give this boot a network stack of its own: no connection and no rule outlives a reboot."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    lines = []
    for name, link in machine["links"].items():
        # a namespace that has just ended may still hold its old link for a moment
        subprocess.call(ip(machine, f"link delete {link['host']}".split()), stderr=subprocess.DEVNULL)
        lines.append(
            f"link add {link['host']} type veth peer name {name} address {link['mac']} netns {os.getpid()}"
        )
        lines.append(f"link set {link['host']} master {link['bridge']} up")
    subprocess.run(ip(machine, ["-batch", "-"]), input="\n".join(lines).encode(), check=True)
    host = machine["links"]["eth0"]["host"]
    isolate = ["bridge", "link", "set", "dev", host, "isolated", "on"]
    subprocess.check_call(["nsenter", f"--net={machine['netns']}", "--", *isolate])


def ip(machine: dict[str, Any], arguments: list[str]) -> list[str]:
    return ["nsenter", f"--net={machine['netns']}", "--", "ip", *arguments]


def nspawn(machine: dict[str, Any]) -> list[str]:
    """The command that boots the machine; why each odd option is there, see the guide to providers."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--directory=" + machine["root"],
        "--machine=" + machine["name"],
        "--hostname=" + machine["name"],
        "--uuid=" + machine["uuid"],
        f"--network-namespace-path=/proc/{os.getpid()}/ns/net",
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf @keyring",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--bind=" + machine["docker"] + ":/var/lib/docker",
        "--boot",
    ]


def say(text: str) -> None:
    print(f"[keeper] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
