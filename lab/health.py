"""Says what keeps a lab from being whole: a measurement that starts on a sick lab would be void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.errors import MachineError
from lab.etcd import EtcdFailed
from lab.running import Lab
from lab.waiting import eventually

HEALTHY_WITHIN = 120.0  # seconds: a machine that lost power waits for its own old fleet key (30 s) to expire
HEALTHY_WITHIN_EMULATED = 600.0

VOID = "void, no measurement: "  # how its reason begins, where nothing says yet that it is void


class Void(MachineError):
    """The run says nothing: the lab was not whole when it began, or the probe itself stood still."""


def require_healthy(lab: Lab, when: str, units: Iterable[str] = ()) -> None:
    """Return when every machine is an etcd member with all that was written, and in fleet's list.

    `units` must run, too. Raises MachineError that says `when` ("after the reboot of coreos-1") and what
    was amiss last.
    """
    __tracebackhide__ = True
    wanted = tuple(units)

    def well() -> bool:
        found = ailments(lab, wanted)
        if found:
            raise MachineError("; ".join(found))
        return True

    eventually(well, patience(lab), f"the lab is healthy {when}", ignoring=(MachineError,))


def require_start(lab: Lab, what: str, units: Iterable[str] = ()) -> None:
    """`require_healthy` before a fault: raises Void, as nothing that follows would count."""
    __tracebackhide__ = True
    try:
        require_healthy(lab, f"before {what}", units)
    except Void:
        raise
    except MachineError as problem:
        raise Void(f"{VOID}{problem}") from None


def patience(lab: Lab) -> float:
    """Seconds in which a lab that has been healed must be whole."""
    return HEALTHY_WITHIN_EMULATED if lab.provider.emulated else HEALTHY_WITHIN


def ailments(lab: Lab, units: Iterable[str] = ()) -> list[str]:
    """What keeps the lab from being whole just now; nothing if all is well."""
    found = [f"{name} has no power" for name in lab.specs if lab.state(name) != "running"]
    found += [f"etcd on {name} is not healthy" for name in lab.specs if not lab.etcd.healthy(name)]
    if found:
        return found
    try:
        found += stragglers(lab)
    except EtcdFailed as problem:
        return [str(problem)]
    if not lab.topology.fleet.enabled:
        return found
    found += unlisted(
        lab.fleet.machines(), {str(spec.machine.private): name for name, spec in lab.specs.items()}
    )
    if wanted := tuple(units):
        there = lab.fleet.units()
        found += [f"{unit} does not run" for unit in wanted if not (unit in there and there[unit].running)]
    return found


def stragglers(lab: Lab) -> list[str]:
    """Members that have not applied all that some member had applied a moment ago."""
    members = [name for name, spec in lab.specs.items() if spec.machine.etcd == "member"]
    goal = max(lab.etcd.index(member) for member in members)
    return behind({member: lab.etcd.index(member) for member in members}, goal)


def behind(indexes: Mapping[str, int], goal: int) -> list[str]:
    """The members whose raft index is below `goal`, in words."""
    return [
        f"etcd on {member} is at index {index}, others at {goal}"
        for member, index in indexes.items()
        if index < goal
    ]


def unlisted(listed: Iterable[str], wanted: Mapping[str, str]) -> list[str]:
    """What is wrong with fleet's list of addresses; `wanted` maps addresses to machines."""
    seen = list(listed)
    found = [f"fleet does not list {name}" for address, name in wanted.items() if address not in seen]
    return found + [
        f"fleet lists {address} twice" for address in sorted(set(seen)) if seen.count(address) > 1
    ]
