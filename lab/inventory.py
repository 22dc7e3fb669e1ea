"""The lab as Ansible's dynamic inventory: its machines, their groups, and how SSH reaches them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lab.errors import UserError
from lab.node import USER
from lab.store import Record
from lab.suggest import did_you_mean

PYTHON = "/usr/bin/python3"
OWN_GROUPS = ("etcd", "public")


def inventory(record: Record, config: Path) -> dict[str, Any]:
    """The document of `--list`. `config` is the lab's ssh configuration.

    Groups: `etcd` (with a member), `public` (with a public address), and one for machines whose names
    differ in their number alone, called by what they share: node-front-1 is in node_front.
    """
    groups: dict[str, list[str]] = {}
    for name in record.machines:
        machine = record.topology.machine(name)
        stem = re.sub(r"-?\d+$", "", name).replace("-", "_")
        places = [stem] if stem and stem != name.replace("-", "_") else []
        places += ["etcd"] if machine.etcd == "member" else []
        places += ["public"] if machine.public else []
        for group in dict.fromkeys(places):
            groups.setdefault(group, []).append(name)
    hosts = {name: variables(record, name, config) for name in record.machines}
    return {
        "_meta": {"hostvars": hosts},
        "all": {
            "hosts": list(record.machines),
            "children": sorted(groups),
            "vars": {"lab_name": record.name, "lab_provider": record.provider},
        },
        **{group: {"hosts": names} for group, names in sorted(groups.items())},
    }


def variables(record: Record, name: str, config: Path) -> dict[str, Any]:
    """The document of `--host NAME`: how Ansible reaches a machine, and what the lab knows of it."""
    if name not in record.machines:
        raise UserError(f"no machine {name!r} in lab {record.name!r}{did_you_mean(name, record.machines)}")
    machine = record.topology.machine(name)
    quoted = str(config).replace('"', '\\"')
    return {
        # by its name: the ssh configuration knows the address, the network and the key
        "ansible_host": name,
        "ansible_user": USER,
        # in the place of Ansible's own: connections are kept where `lab` keeps and ends them
        "ansible_ssh_args": f'-F "{quoted}"',
        "ansible_python_interpreter": PYTHON,
        "lab_private": str(machine.private),
        "lab_public": str(machine.public) if machine.public else None,
        "lab_control": str(machine.control),
        "lab_etcd": machine.etcd,
    }
