"""What each machine of a lab is told about itself and the others: the lines of its machine.env."""

from __future__ import annotations

from collections.abc import Sequence

from lab import secrets, store
from lab.providers.base import MachineSpec
from lab.topology import Machine


def machine_specs(record: store.Record, *, emulated: bool, names: Sequence[str] = ()) -> list[MachineSpec]:
    """The machines that the lab has now, or those named, as they are when they first come up with the lab."""
    wanted = names or record.machines
    members = [record.topology.machine(name) for name in record.first]
    return [
        machine_spec(record, machine, members, emulated=emulated)
        for machine in record.topology.machines
        if machine.name in wanted
    ]


def machine_spec(
    record: store.Record,
    machine: Machine,
    beside: Sequence[Machine],
    *,
    emulated: bool,
    joins: bool = False,
) -> MachineSpec:
    """One machine; its etcd finds its cluster through those machines `beside` it that carry a member.

    `joins` is for a member that the running cluster has been told of; without it, the cluster is a new one.
    """
    topology = record.topology
    place = store.folder(record.name)
    networks = topology.networks
    beat, election = topology.etcd.milliseconds(emulated)
    lab_address = str(topology.lab_address("private").ip)
    state = "proxy" if machine.etcd == "proxy" else "existing" if joins else "new"
    env = {
        "LAB_NAME": topology.name,
        "LAB_GATEWAY": lab_address,
        "LAB_REGISTRY": lab_address,
        "LAB_PEERS": _addresses(topology.machines),
        "LAB_ETCD_STATE": state,
        "LAB_ETCD_MEMBERS": _addresses([one for one in beside if one.etcd == "member"]),
        "LAB_ETCD_HEARTBEAT_MS": str(beat),
        "LAB_ETCD_ELECTION_MS": str(election),
        "LAB_FLEET": "yes" if topology.fleet.enabled else "no",
        "LAB_FLEET_AGENT_TTL": topology.fleet.agent_ttl,
        "LAB_SSH_KEY": (place / "ssh/id_ed25519.pub").read_text().strip(),
        "LAB_CA": secrets.ca_line(place / "ca"),
        "LAB_HOSTNAME": machine.name,
        "LAB_MACHINE_ID": machine.machine_id(topology.name),
        "LAB_CONTROL_ADDRESS": f"{machine.control}/{networks.control.prefixlen}",
        "LAB_PRIVATE_ADDRESS": f"{machine.private}/{networks.private.prefixlen}",
        "LAB_PUBLIC_ADDRESS": f"{machine.public}/{networks.public.prefixlen}" if machine.public else "",
        "LAB_FLEET_METADATA": ",".join(f"{name}={value}" for name, value in machine.metadata.items()),
    }
    return MachineSpec(machine, env, place / "machines" / machine.name)


def _addresses(machines: Sequence[Machine]) -> str:
    return ",".join(f"{machine.name}={machine.private}" for machine in machines)
