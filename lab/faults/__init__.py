"""Things that go wrong, each a block that heals whatever happens in it: `with power_loss(lab, name)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace

from lab.errors import MachineError, UserError
from lab.faults import ledger, network
from lab.faults.base import Fault, Kind, NotPossible, heal, inject, leave
from lab.faults.clock import ClockStep
from lab.faults.containers import ContainerKilled, ContainerPaused
from lab.faults.disk import DiskFull
from lab.faults.network import Deaf, Latency, Loss, Mute, Partition
from lab.faults.pause import Pause
from lab.faults.power import Blackout, PowerLoss, Reboot
from lab.faults.services import DockerKilled, LeaderLost, MemberStopped, ProcessKilled
from lab.health import Void, ailments, require_healthy
from lab.running import Lab
from lab.suggest import did_you_mean

__all__ = [
    "Fault",
    "Kind",
    "NotPossible",
    "Void",
    "ailments",
    "forget",
    "heal_all",
    "inject",
    "kind",
    "kinds",
    "leave",
    "ledger",
    "network",
    "partition",
    "power_loss",
    "reboot",
    "require_healthy",
]


def kinds() -> tuple[Kind, ...]:
    """Every fault there is, in the order in which they are listed."""
    return (
        Reboot(),
        PowerLoss(),
        Blackout(),
        Pause(),
        Partition(),
        Mute(),
        Deaf(),
        Loss(),
        Latency(),
        LeaderLost(),
        MemberStopped(),
        DockerKilled(),
        ContainerKilled(),
        ContainerPaused(),
        ProcessKilled(),
        DiskFull(),
        ClockStep(),
    )


def kind(name: str) -> Kind:
    """The fault called `name`; UserError with a suggestion if there is none."""
    known = {one.name: one for one in kinds()}
    if name not in known:
        raise UserError(f"no fault {name!r}{did_you_mean(name, list(known))}; `lab fault --list` shows all")
    return known[name]


def power_loss(lab: Lab, target: str) -> AbstractContextManager[Fault]:
    """Take machines' power away at once; they are started again when the block is left."""
    return inject(lab, PowerLoss(), target)


def partition(lab: Lab, target: str) -> AbstractContextManager[Fault]:
    """Part machines from all others; the networks are whole when the block is left."""
    return inject(lab, Partition(), target)


def reboot(lab: Lab, target: str, how: Callable[[], object] | None = None) -> AbstractContextManager[Fault]:
    """Reboot machines cleanly (by `how`, if given); the block runs meanwhile, and ends when they are back."""
    return inject(lab, Reboot(how), target)


def heal_all(lab: Lab) -> list[str]:
    """Heal every fault in place, the latest first, whoever made it; returns what there was.

    Raises MachineError, when all has been tried, if one does not heal: it stays in place.
    """
    standing = ledger.standing(lab)
    healed, problems = _heal_each(lab, standing)
    healed += network.clear(lab)
    if problems:  # an etcd that was parted from the others does not start before the network is whole
        more, problems = _heal_each(lab, [entry for entry in standing if entry.mark in problems])
        healed += more
    if problems:
        raise MachineError(f"not healed: {'; '.join(problems.values())}")
    return healed


def _heal_each(lab: Lab, entries: Iterable[ledger.Entry]) -> tuple[list[str], dict[str, str]]:
    """What has been healed, and why the others have not, by their marks."""
    healed: list[str] = []
    problems: dict[str, str] = {}
    for entry in entries:
        name = f"{entry.kind} of {entry.target}"
        here = tuple(machine for machine in entry.target.machines if machine in lab.specs)
        try:
            if here:
                heal(lab, kind(entry.kind), replace(entry.target, machines=here), entry.mark)
            else:  # it has left the lab, and what was wrong with it went along
                ledger.end(lab, entry.mark)
        except (MachineError, UserError) as problem:
            problems[entry.mark] = f"{name} ({problem})"
        else:
            healed.append(name)
    return healed, problems


def forget(lab: Lab) -> None:
    """Before the machines are made anew: what would outlive them goes, and nothing is left to heal."""
    network.clear(lab)
    ledger.forget(lab)
