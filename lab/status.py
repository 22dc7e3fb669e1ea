"""What a lab looks like just now: each machine's power, boot and etcd member, and whether fleet sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from lab.errors import MachineError
from lab.node import Node
from lab.providers.base import State
from lab.running import Lab

ASK_WITHIN = 10.0  # seconds for one machine: an emulated one needs three for the first command

Member = Literal["leader", "healthy", "proxy", "no answer", "-"]


@dataclass(frozen=True)
class MachineStatus:
    """One machine of the topology, "absent" while it is not in the lab.

    `boot` is "" when it does not answer SSH, `fleet` None when no machine could be asked.
    """

    name: str
    power: State
    private: str
    public: str
    boot: str
    etcd: Member
    fleet: bool | None


def look(lab: Lab) -> list[MachineStatus]:
    """Ask everything at once, so that a machine that does not answer costs its time only once."""
    names = list(lab.nodes)
    powers = {name: lab.state(name) for name in names}
    running = [name for name in names if powers[name] == "running"]
    with ThreadPoolExecutor(3 * len(names) + 2) as pool:
        boots = {name: pool.submit(_boot, lab[name]) for name in running}
        healths = {name: pool.submit(lab.etcd.healthy, name) for name in running}
        asked = [lab[name] for name in running] if lab.topology.fleet.enabled else []
        seen = pool.submit(_fleet, asked)
        leader = pool.submit(_leader, lab)
        members: dict[str, Member] = dict.fromkeys(names, "-")
        for name, healthy in healths.items():
            members[name] = "healthy" if healthy.result() else "no answer"
            if members[name] == "healthy" and lab.specs[name].machine.etcd == "proxy":
                members[name] = "proxy"
            elif members[name] == "healthy" and name == leader.result():
                members[name] = "leader"
        fleet = seen.result()
        return [
            MachineStatus(
                machine.name,
                powers.get(machine.name, "absent"),
                str(machine.private),
                str(machine.public or ""),
                boots[machine.name].result() if machine.name in boots else "",
                members.get(machine.name, "-"),
                None if fleet is None or machine.name not in powers else str(machine.private) in fleet,
            )
            for machine in lab.topology.machines
        ]


def units(lab: Lab) -> str:
    """fleet's own table of units, or why there is none."""
    try:
        return lab.fleet.ctl("list-units", timeout=ASK_WITHIN).stdout
    except MachineError as problem:
        return f"fleet does not answer: {str(problem).splitlines()[0]}\n"


def _boot(node: Node) -> str:
    try:
        return node.run("cat /proc/sys/kernel/random/boot_id", timeout=ASK_WITHIN).stdout.strip()
    except MachineError:
        return ""


def _fleet(nodes: list[Node]) -> list[str] | None:
    """The addresses that fleet lists, by the first machine whose fleetctl answers."""
    for node in nodes:
        try:
            command = "fleetctl list-machines --no-legend --fields=ip"
            return node.run(command, timeout=ASK_WITHIN).stdout.split()
        except MachineError:
            continue
    return None


def _leader(lab: Lab) -> str:
    try:
        return lab.etcd.leader()
    except MachineError:
        return ""
