"""A lab's own network: one namespace with three bridges, apart from the host and from other labs."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address
from pathlib import Path

from lab import netns, store
from lab.shell import run
from lab.topology import Topology

# A port's own end would ask for IPv6 routers now and then, past all rules for the bridge, to its machine.
NO_IPV6 = "f=/proc/sys/net/ipv6/conf/default/disable_ipv6; [ ! -e $f ] || echo 1 >$f"
BRIDGE = "stp_state 0 forward_delay 0 mcast_snooping 0"  # a port forwards from its first packet on


def namespace(lab: str) -> str:
    """The lab's network namespace; a lab of another LAB_HOME may have the same name, and is another lab."""
    if store.home() == Path(store.DEFAULT_HOME):
        return f"lab-{lab}"
    return f"lab-{lab}-{hashlib.sha256(bytes(store.home())).hexdigest()[:6]}"


def create(topology: Topology, bridges: tuple[str, ...] = ("control", "private", "public")) -> None:
    """Make the namespace and its bridges, the lab's own address on each (the first of its network)."""
    name = namespace(topology.name)
    run(["ip", "netns", "add", name])
    run(netns.command(name, "sh", "-c", NO_IPV6))
    lines = ["link set lo up"]
    for network in bridges:
        address = {
            "control": topology.lab_address("control"),
            "private": topology.lab_address("private"),
            "public": topology.lab_address("public"),
        }[network]
        lines += [
            # a bridge without ports would take its first port's address, and change it with the ports
            f"link add {network} address {mac(address.ip)} type bridge {BRIDGE}",
            f"address add {address} dev {network}",
            f"link set {network} up",
        ]
    batch(name, lines)


def batch(name: str, lines: list[str]) -> None:
    """Run lines of the `ip` command inside a namespace, in one process."""
    run(["ip", "-netns", name, "-batch", "-"], input="\n".join(lines) + "\n")


def mac(address: IPv4Address) -> str:
    """A locally administered hardware address that tells the IPv4 address it stands for."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in address.packed)


def pids(name: str) -> list[int]:
    """Processes that live in the namespace, found by the kernel's own view."""
    if not netns.path(name).exists():
        return []
    return [int(word) for word in run(["ip", "netns", "pids", name]).split()]


def delete(name: str) -> bool:
    """Remove the namespace with all its links; False if it was not there."""
    if not netns.path(name).exists():
        return False
    run(["ip", "netns", "delete", name])
    return True


def exists(name: str) -> bool:
    return Path(netns.path(name)).exists()
