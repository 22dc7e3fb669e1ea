"""Networks that part, lose and delay, by rules in the lab's own namespace; links stay up meanwhile."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from typing import ClassVar

from lab import netns
from lab.errors import CommandError, UserError
from lab.faults import delayline, filter
from lab.faults.base import Kind
from lab.faults.filter import PREFIX, Way
from lab.roles import Target
from lab.running import Lab
from lab.shell import run
from lab.waiting import seconds

FAULTY = ("private", "public")  # the control network is the lab's own way in


class Partition(Kind):
    """The machines still hear one another, and nobody else, the lab's own clients included."""

    name = "partition"
    summary = "part machines from all others, on the private and the public network"
    way: ClassVar[Way] = "both"

    def available(self, lab: Lab) -> str:
        return "" if shutil.which("nft") else "the host has no nft; apt install nftables"

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        ports = _known(_ports(lab, target))
        rules = filter.table(_table(self, target), ports, self.way, self.verdict(amount))
        _nft(lab, "-f", "-", rules=rules)

    def heal(self, lab: Lab, target: Target) -> None:
        if _table(self, target) in filter.tables_in(_nft(lab, "list", "tables")):
            _nft(lab, "delete", "table", "bridge", _table(self, target))

    def verdict(self, amount: str) -> str:
        return "drop"


class Mute(Partition):
    """One direction: others' words arrive, its own do not."""

    name = "mute"
    summary = "lose all that machines send; they still hear"
    way = "out"


class Deaf(Partition):
    """One direction: its own words arrive, others' do not."""

    name = "deaf"
    summary = "lose all that is sent to machines; they are still heard"
    way = "in"


class Loss(Partition):
    """Frames get lost by chance, each on its own."""

    name = "loss"
    summary = "lose a share of all frames to and from machines"
    amount = "20%"

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        text = amount or self.amount
        if not re.fullmatch(r"([1-9]|[1-9]\d)%", text):
            raise UserError(f"{self.name}: {text!r} is no share from 1% to 99%")
        return text

    def verdict(self, amount: str) -> str:
        return f"numgen random mod 100 < {amount.rstrip('%')} drop"


class Latency(Kind):
    """Every frame to a machine comes late, by the same time."""

    name = "latency"
    summary = "delay every frame that is sent to machines"
    amount = "100ms"

    def available(self, lab: Lab) -> str:
        if (lacking := _no_netem()) and (also := delayline.impossible()):
            return f"{lacking}, and {also}"
        return ""

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        try:
            return f"{seconds(amount or self.amount) * 1000:.0f}ms"
        except ValueError as problem:
            raise UserError(f"{self.name}: {problem}") from None

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        ports = _ports(lab, target)
        if _no_netem():
            delayline.put(lab, ports, seconds(amount))
            return
        for port in ports:
            _in(lab, "tc", "qdisc", "replace", "dev", port, "root", "netem", "delay", amount)

    def heal(self, lab: Lab, target: Target) -> None:
        ports = _ports(lab, target)
        delayline.remove(lab, ports)
        for queue in json.loads(_in(lab, "tc", "-json", "qdisc", "show")):
            if queue["kind"] == "netem" and queue["dev"] in ports:
                _in(lab, "tc", "qdisc", "delete", "dev", queue["dev"], "root")


def clear(lab: Lab) -> list[str]:
    """Undo all that a fault of this lab has left in its network, known or not; returns what there was."""
    left = filter.tables_in(_nft(lab, "list", "tables")) if shutil.which("nft") else []
    for name in left:
        _nft(lab, "delete", "table", "bridge", name)
    return left + [f"latency of {port}" for port in delayline.remove(lab)]


def _no_netem() -> str:
    """Why there is no netem, as the kernel says: tried in a namespace of its own, which is gone at once."""
    words = "ip link add lab0 type veth && tc qdisc add dev lab0 root netem delay 1ms"
    try:
        run(["unshare", "--net", "sh", "-c", words])
    except CommandError as problem:
        return f"the host's kernel has no netem ({problem.output.strip().splitlines()[-1]})"
    return ""


def _ports(lab: Lab, target: Target) -> dict[str, str]:
    """The ports that faults hit, each with its bridge."""
    found: dict[str, str] = {}
    for name in target.machines:
        ports = lab.ports(name)
        found |= {ports[network]: network for network in FAULTY if network in ports}
    return found


def _known(ports: Iterable[str]) -> list[str]:
    """The names by which frames of these ports come and go at a bridge, whether or not they are delayed."""
    return [name for port in ports for name in (port, delayline.stand_in(port))]


def _table(kind: Kind, target: Target) -> str:
    return PREFIX + kind.name + "-" + "-".join(target.machines)


def _nft(lab: Lab, *words: str, rules: str | None = None) -> str:
    return run(netns.command(lab.namespace, "nft", *words), input=rules)


def _in(lab: Lab, *words: str) -> str:
    return run(netns.command(lab.namespace, *words))
