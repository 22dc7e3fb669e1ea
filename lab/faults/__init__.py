"""Things that go wrong, each a block that heals whatever happens in it: `with power_loss(lab, name)`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from lab.errors import UserError
from lab.faults import ledger, network
from lab.faults.base import Fault, Kind, NotPossible, inject, leave
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
    """Heal every fault in place, the latest first, whoever made it; returns what there was."""
    healed = []
    for entry in ledger.standing(lab):
        ledger.note(lab, "heal", entry.mark)
        kind(entry.kind).heal(lab, entry.target)
        ledger.end(lab, entry.mark)
        healed.append(f"{entry.kind} of {entry.target}")
    return healed + network.clear(lab)


def forget(lab: Lab) -> None:
    """Before the machines are made anew: what would outlive them goes, and nothing is left to heal."""
    network.clear(lab)
    ledger.forget(lab)
