"""A machine's metadata as a tree, from the lines of machine.env; no I/O."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shlex
from collections.abc import Mapping
from typing import Union

Tree = Mapping[str, Union["Tree", str]]
REGION = "lab"


def parse_environment(text: str) -> dict[str, str]:
    """Read KEY='value' lines as a shell would; ValueError names the line that is none."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.strip().partition("=")
        try:
            words = shlex.split(value, comments=True)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if not equals or not name.isidentifier() or len(words) > 1:
            raise ValueError(f"line {number} is not NAME='value': {line.strip()[:80]}")
        found[name] = words[0] if words else ""
    return found


def build(environment: Mapping[str, str], macs: Mapping[str, str]) -> Tree:
    """The tree below /metadata/v1; `macs` are those of the machine's addresses, by address.

    ValueError names what is missing or wrong.
    """
    for name in ("LAB_HOSTNAME", "LAB_MACHINE_ID", "LAB_PRIVATE_ADDRESS"):
        if not environment.get(name):
            raise ValueError(f"{name} is missing")
    gateway = environment.get("LAB_GATEWAY", "")
    interfaces = {}
    for kind, given in (
        ("public", environment.get("LAB_PUBLIC_ADDRESS", "")),
        ("private", environment["LAB_PRIVATE_ADDRESS"]),
    ):
        if given:
            interfaces[kind] = {"0": _interface(kind, given, gateway, macs)}
    return {
        "id": droplet_id(environment["LAB_MACHINE_ID"]),
        "hostname": environment["LAB_HOSTNAME"],
        "region": environment.get("LAB_NAME") or REGION,
        "public-keys": environment.get("LAB_SSH_KEY", ""),
        "interfaces": interfaces,
    }


def droplet_id(machine_id: str) -> str:
    """A number, as clouds give their machines, that stays the same for a machine id."""
    return str(int(hashlib.sha256(machine_id.encode()).hexdigest()[:7], 16))


def render(tree: Tree, path: str) -> str | None:
    """What a GET of `path` below /metadata/v1 answers: a value, a listing, or None."""
    node: Tree | str = tree
    for part in [part for part in path.split("/") if part]:
        if isinstance(node, str) or part not in node:
            return None
        node = node[part]
    if isinstance(node, str):
        return None if path.endswith("/") else node
    return "\n".join(name if isinstance(child, str) else name + "/" for name, child in node.items())


def as_json(tree: Tree) -> str:
    """The whole tree the way /metadata/v1.json has it: lists for what is numbered or many."""

    def interface(node: Tree | str) -> object:
        if isinstance(node, str):
            return node
        plain = {name: interface(child) for name, child in node.items()}
        if "ipv4" in node and isinstance(node["ipv4"], Mapping):
            plain["ipv4"] = {
                ("ip_address" if name == "address" else name): value for name, value in node["ipv4"].items()
            }
        return plain

    interfaces = tree["interfaces"]
    assert not isinstance(interfaces, str)
    lists = {
        kind: [interface(one) for one in numbered.values()]
        for kind, numbered in interfaces.items()
        if not isinstance(numbered, str)
    }
    return json.dumps(
        {
            "droplet_id": int(str(tree["id"])),
            "hostname": tree["hostname"],
            "region": tree["region"],
            "public_keys": [tree["public-keys"]] if tree["public-keys"] else [],
            "interfaces": lists,
        },
        indent=2,
    )


def _interface(kind: str, given: str, gateway: str, macs: Mapping[str, str]) -> Tree:
    try:
        address = ipaddress.IPv4Interface(given)
    except ValueError as error:
        raise ValueError(f"LAB_{kind.upper()}_ADDRESS: {error}") from None
    ipv4 = {"address": str(address.ip), "netmask": str(address.netmask)}
    if gateway and ipaddress.IPv4Address(gateway) in address.network:
        ipv4["gateway"] = gateway
    else:
        ipv4["gateway"] = str(address.network.network_address + 1)
    return {"ipv4": ipv4, "mac": macs.get(str(address.ip), ""), "type": kind}
