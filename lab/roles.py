"""Turns a fault's target, named by role (`leader`, `machine_of(apache.service)`), into machines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.errors import MachineError, UserError
from lab.etcd import EtcdFailed
from lab.running import Lab
from lab.suggest import did_you_mean
from lab.waiting import eventually

ROLES = ("leader", "follower", "followers", "minority", "majority", "all")
GRAMMAR = "a machine, leader, follower, followers, minority, majority, all, machine_of(UNIT), or UNIT"

ELECTED_WITHIN = 30.0  # seconds: several elections of emulated machines


@dataclass(frozen=True)
class Target:
    """What a fault hits: machines, and on them a unit, container or service (`what`, "" for none)."""

    machines: tuple[str, ...]
    what: str = ""

    def __str__(self) -> str:
        return ",".join(self.machines) + (f":{self.what}" if self.what else "")


@dataclass(frozen=True)
class View:
    """The cluster as roles see it; leader and units are asked for only when a role needs them."""

    machines: tuple[str, ...]
    members: tuple[str, ...]  # those that carry an etcd member, of whom one leads
    leader: Callable[[], str] = field(compare=False)
    machine_of: Callable[[str], str] = field(compare=False)


def view(lab: Lab) -> View:
    """The cluster as it is now. Its functions raise MachineError while etcd or fleet do not answer.

    An election that is under way is waited for.
    """

    def leader() -> str:
        try:
            return eventually(lab.etcd.leader, ELECTED_WITHIN, "etcd has a leader", ignoring=(EtcdFailed,))
        except MachineError:
            return lab.etcd.leader()  # "" during an election; what nobody answers is told as such

    def machine_of(unit: str) -> str:
        units = lab.fleet.units()
        if unit not in units or not units[unit].machine:
            raise UserError(f"fleet runs no unit {unit!r} on any machine{did_you_mean(unit, list(units))}")
        return lab.node_at(units[unit].machine).name

    members = tuple(name for name, spec in lab.specs.items() if spec.machine.etcd == "member")
    return View(tuple(lab.specs), members, leader, machine_of)


def resolve(text: str, seen: View) -> Target:
    """The target that `text` names: PLACE, PLACE:WHAT, PLACE,PLACE, or a unit (its machine and itself).

    Raises UserError for what is neither a machine, nor a role, nor a unit.
    """
    place, colon, what = text.strip().partition(":")
    if not place or (colon and not what):
        raise UserError(f"{text!r} is no target; give {GRAMMAR}, and :NAME for something on it")
    machines: list[str] = []
    for word in place.split(","):
        if match := re.fullmatch(r"machine_of\((.+)\)", word):
            machines.append(seen.machine_of(match[1]))
        elif word in ROLES:
            machines += _role(word, seen)
        elif word in seen.machines:
            machines.append(word)
        elif re.search(r"\.[a-z]+$", word) and not what:
            machines.append(seen.machine_of(word))
            what = word
        else:
            raise UserError(
                f"no machine or role {word!r}{did_you_mean(word, [*seen.machines, *ROLES])}; give {GRAMMAR}"
            )
    if not machines:
        raise UserError(f"nobody is {text!r} here: etcd's members are {', '.join(seen.members) or 'none'}")
    return Target(tuple(dict.fromkeys(machines)), what)


def minority(count: int) -> int:
    """How many of `count` members are the largest group that cannot write by itself."""
    return (count - 1) // 2


def _role(role: str, seen: View) -> list[str]:
    if role == "all":
        return list(seen.machines)
    leader = seen.leader()
    if leader not in seen.members:
        raise UserError(f"etcd has no leader just now, so nobody is its {role}")
    followers = [name for name in seen.members if name != leader]
    few = minority(len(seen.members))
    return {
        "leader": [leader],
        "follower": followers[:1],
        "followers": followers,
        # the minority has the leader in it: losing it costs an election as well
        "minority": [leader, *followers][:few],
        "majority": [leader, *followers][few:],
    }[role]
