"""Late frames on kernels without netem: a process of the lab's own stands between a machine and its bridge.

A port's place on its bridge is taken by a stand-in, one end of a veth pair, and a relay passes frames between
the port and the pair's other end. These two are put on a bridge of their own that is down: whatever arrives
there is seen by the relay alone, while a port on no bridge would answer ARP for the lab's addresses.

Nothing is written down: what is in place is told by the names of the devices and by a variable in the relay's
environment, so that anybody can undo it, however far it has come.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import netns, network, processes
from lab.errors import MachineError
from lab.faults import relay
from lab.running import Lab
from lab.shell import run
from lab.waiting import eventually

RELAY = "LAB_RELAY"  # in the environment of a relay: the stand-in that it works for
READY_WITHIN = 10.0  # seconds for a Python that imports next to nothing, on a host that is busy
END_WITHIN = 2.0  # seconds for a relay to send what is under way
LIMIT = 15  # characters of a device's name
# What somebody may have set about a port of a bridge, and how a new port has it.
FLAGS = {"isolated": False, "hairpin": False, "learning": True, "flood": True, "mcast_flood": True}


@dataclass(frozen=True)
class Link:
    """A device of the lab's namespace; `flags` are those of a port that are not as in a new one."""

    master: str
    mtu: int
    flags: Mapping[str, bool]


def impossible() -> str:
    """Why frames cannot be passed by a process on this host; "" if they can."""
    try:
        relay.open_socket().close()
    except OSError as problem:
        return f"no process here can pass whole frames ({problem.strerror})"
    return ""


def stand_in(port: str) -> str:
    """The device that has a port's place on its bridge meanwhile."""
    return f"d-{port}"[:LIMIT]


def wire(port: str) -> str:
    """The other end of the stand-in: the relay's."""
    return f"r-{port}"[:LIMIT]


def parking(port: str) -> str:
    """The bridge that is down, for the port and the wire."""
    return f"b-{port}"[:LIMIT]


def put(lab: Lab, ports: Mapping[str, str], delay: float) -> None:
    """Delay what is sent to `ports`, which maps each to its bridge; a delay that is there is replaced."""
    remove(lab, ports)
    there = links(_ip(lab, "-json", "-details", "link", "show"))
    for port in ports:
        if port not in there:
            raise MachineError(f"there is no port {port} in lab {lab.name!r}; is its machine off?")
    for port in ports:
        network.batch(lab.namespace, preparation(port, there[port]))
        _start(lab, port, delay)
    for port, bridge in ports.items():
        _wait(lab, port)
        network.batch(lab.namespace, exchange(port, there[port], bridge))


def remove(lab: Lab, ports: Iterable[str] | None = None) -> list[str]:
    """Undo the delay of `ports`, or whatever delay there is; returns the ports that had one.

    What has been left by a port that is gone, as it is after a boot of its machine, goes with either.
    """
    there = links(_ip(lab, "-json", "-details", "link", "show"))
    wanted = None if ports is None else set(ports)
    found = [port for port in delayed(there) if wanted is None or port in wanted or port not in there]
    for port in found:
        network.batch(lab.namespace, return_of(port, there))
        _stop(lab, port)  # only now: a frame that is under way still arrives
        network.batch(lab.namespace, clearance(port, there))
    return found


def links(listed: str) -> dict[str, Link]:
    """The devices by name, of what `ip -json -details link show` prints."""
    found = {}
    for link in json.loads(listed):
        slave = link.get("linkinfo", {}).get("info_slave_data", {})
        flags = {flag: slave[flag] for flag, usual in FLAGS.items() if slave.get(flag, usual) != usual}
        found[link["ifname"]] = Link(link.get("master", ""), link.get("mtu", 1500), flags)
    return found


def delayed(there: Mapping[str, Link]) -> list[str]:
    """The ports with a stand-in or a parking, half made ones included; the name may be cut if it is gone."""
    known = {parking(port): port for port in there}
    parkings = {f"b-{name[2:]}" for name in there if name.startswith(("b-", "d-"))}
    return sorted(known.get(name, name[2:]) for name in parkings)


def preparation(port: str, link: Link) -> list[str]:
    """Lines for `ip` that make all there has to be, and change nothing yet."""
    size = f"mtu {link.mtu}"
    return [
        f"link add {parking(port)} {size} type bridge {network.BRIDGE}",
        f"link add {wire(port)} {size} type veth peer name {stand_in(port)} {size}",
        f"link set dev {wire(port)} master {parking(port)} up",
        f"link set dev {stand_in(port)} master {parking(port)} up",
    ]


def exchange(port: str, link: Link, bridge: str) -> list[str]:
    """Lines that put the stand-in in the port's place.

    In this order a frame of the moment between may pass twice and none is lost; and as long as a port is not
    on its bridge, its stand-in says which one that is.
    """
    return [*_join(stand_in(port), bridge, link.flags), f"link set dev {port} master {parking(port)}"]


def return_of(port: str, there: Mapping[str, Link]) -> list[str]:
    """Lines that put the port in its own place again, if it was taken."""
    lines: list[str] = []
    replaced = there.get(stand_in(port))
    if replaced is None or replaced.master in ("", parking(port)):
        return lines
    if port in there and there[port].master in ("", parking(port), replaced.master):
        back = there[port].master == replaced.master  # one of the two may not have had its flags yet
        lines += _join(port, replaced.master, {**there[port].flags, **replaced.flags})[back:]
    return [*lines, f"link set dev {stand_in(port)} master {parking(port)}"]


def clearance(port: str, there: Mapping[str, Link]) -> list[str]:
    """Lines that remove what `preparation` has made; the pair's other end goes with the first."""
    return [f"link delete dev {name}" for name in (stand_in(port), parking(port)) if name in there]


def _join(device: str, bridge: str, flags: Mapping[str, bool]) -> list[str]:
    lines = [f"link set dev {device} master {bridge}"]
    if flags:
        words = " ".join(f"{flag} {'on' if on else 'off'}" for flag, on in flags.items())
        lines.append(f"link set dev {device} type bridge_slave {words}")
    return lines


def _start(lab: Lab, port: str, delay: float) -> None:
    order = json.dumps({"port": port, "wire": wire(port), "delay": delay})
    words = [sys.executable, "-I", "-S", str(Path(relay.__file__)), order]
    log = _log(lab, port)
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    env = {RELAY: stand_in(port)}
    processes.start(netns.command(lab.namespace, *words), folder=lab.folder, log=log, env=env)


def _wait(lab: Lab, port: str) -> None:
    """Return when the relay listens; MachineError with its last line if it has ended instead."""

    def ready() -> bool:
        said = _log(lab, port).read_text().strip().splitlines()
        if said and said[-1] != "ready" and not _relays(lab, port):
            raise MachineError(f"the delay line of {port} has ended: {said[-1]}")
        return bool(said) and said[-1] == "ready"

    eventually(ready, READY_WITHIN, f"the delay line of {port} is ready", every=0.01)


def _stop(lab: Lab, port: str) -> None:
    """End the relay, by force if it does not answer; it may have gone already."""
    pids = _relays(lab, port)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(MachineError):
        eventually(lambda: not any(map(processes.alive, pids)), END_WITHIN, every=0.01)
    processes.kill(pids)


def _relays(lab: Lab, port: str) -> list[int]:
    return processes.marked(lab.folder, {RELAY: stand_in(port)})


def _log(lab: Lab, port: str) -> Path:
    return lab.folder / "faults" / f"{stand_in(port)}.log"


def _ip(lab: Lab, *words: str) -> str:
    return run(["ip", "-netns", lab.namespace, *words])
