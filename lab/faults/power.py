"""Machines that reboot, and machines whose power goes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lab.faults.base import Kind
from lab.node import ConnectionLost
from lab.roles import Target
from lab.running import Lab


class PowerLoss(Kind):
    """Nothing in the machine is told, and nobody else is: the others wait for an answer."""

    name = "power-loss"
    summary = "take the power from machines; healed by a boot"
    takes_power = True
    starts_machines = True

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        _each(target, lab.power_off)

    def heal(self, lab: Lab, target: Target) -> None:
        def back(name: str) -> None:
            if lab.state(name) != "running":
                lab.power_on(name)
            lab[name].wait_for_ssh()

        _each(target, back)


class Blackout(PowerLoss):
    """The whole lab goes dark; healing is a cold start of all of it."""

    name = "blackout"
    summary = "take the power from the whole lab; healed by a cold start"
    default = "all"


class Reboot(Kind):
    """A clean one: services are stopped, and what they had announced is taken back."""

    name = "reboot"
    summary = "reboot machines cleanly; over when they are back"
    starts_machines = True

    def __init__(self, how: Callable[[], object] | None = None) -> None:
        self._how = how  # types the reboot, if somebody else is to
        self._before: dict[str, str] = {}

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        self._before = {name: lab[name].boot_id() for name in target.machines}
        if self._how is not None:
            self._how()
            return
        for name in target.machines:
            with contextlib.suppress(ConnectionLost):  # it may be gone before it has said so
                lab[name].run("systemctl reboot", sudo=True, check=False)

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            if lab.state(name) != "running":
                lab.power_on(name)
            if name in self._before:
                lab[name].wait_for_boot(self._before[name])
            else:  # another process began it: nothing is known of the boot before
                lab[name].wait_for_ssh()


def _each(target: Target, do: Callable[[str], object]) -> None:
    """Do it to all machines at once, as one power cut would."""
    with ThreadPoolExecutor(len(target.machines)) as pool:
        for done in [pool.submit(do, name) for name in target.machines]:
            done.result()
