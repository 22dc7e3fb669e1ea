"""A cell of the matrix: a fault against a stack, with a budget that is made of configured times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from lab import faults
from lab.measurement import Measurement, Stack
from lab.running import Lab
from scenarios.failover.stacks import AT_NIGHT, ENGINE, Times, out_of_the_dark, times

SHORT = 5.0  # seconds that a fault is held whose service is only back when it is healed
FAIL_TIMEOUT = 10.0  # seconds for which nginx leaves out a server that did not answer: its own default
DOCKER_STOP = 10.0  # seconds that Docker gives a container before it kills it
Parts = Sequence[tuple[str, float]]
Measured = Callable[..., Measurement]


@dataclass(frozen=True)
class Cell:
    """Whom a fault hits, and what its budget is made of. `hold`: see `measure`.

    `night` says when it is measured, where that is another time than its matrix's. An outage that is
    `told` has more parts than the first answer: the timeline says what it went to. `front_boots` when the
    machine at whose address clients ask has to boot before fleet takes its units from it.
    """

    fault: str
    target: str
    budget: Callable[[Times], Parts]
    hold: float = 0.0
    night: bool | None = None
    told: bool = False
    front_boots: bool = False

    def barred(self, known: Times) -> str:
        """Why clients cannot measure it on these machines; "" if they can."""
        if not (self.front_boots and known.emulated and known.agent_ttl < known.work):
            return ""
        return (
            f"emulated machines boot for longer than fleet's agent_ttl of {known.agent_ttl:g} s, and what "
            "clients ask may come back at an address that they have not been told"
        )

    @property
    def recovers(self) -> bool:
        return self.hold == 0.0


def until_healed(known: Times) -> Parts:
    """Held, and then containers are started."""
    return (("held for", SHORT), *known.back())


def while_held(known: Times) -> Parts:
    """Some or all requests fail until it is healed; nothing has to be started then."""
    return (("held for", SHORT), ("healing", known.healing), *nothing(known))


def cut_off(known: Times) -> Parts:
    """nginx's machine is parted from all others: it may find meanwhile that none of its servers is there."""
    return (*while_held(known), ("nginx's fail_timeout", FAIL_TIMEOUT))


def nothing(known: Times) -> Parts:
    """What clients of a stack are allowed to lose where they should notice nothing."""
    return (("nothing expected", known.nothing),)


def docker_restarts(known: Times, stop: tuple[str, float] = ("docker stop", DOCKER_STOP)) -> Parts:
    """systemd starts the daemon again; it first stops the containers that it finds, by docker stop's time."""
    return (
        ("systemd's restart", 1.0),
        stop,
        ("start of Docker", known.work),
        ("healing", known.healing),
        *known.back(),
    )


def boots_again(known: Times) -> Parts:
    """The one machine that can serve loses power, and is given it back: nobody else has to be asked."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election, if it led", known.election),
        ("engine's pass", ENGINE),
        *known.back(),
    )


def reboots(known: Times) -> Parts:
    """The one machine that can serve is rebooted: its containers are stopped, and started after the boot."""
    return (
        ("docker stop", DOCKER_STOP),
        ("boot", known.work),
        ("engine's pass", ENGINE),
        *known.back(),
    )


def named(cells: Sequence[Cell], *, night: bool = True) -> pytest.MarkDecorator:
    """The test that it marks measures each of these cells; at night alone, unless `night` is false."""
    return pytest.mark.parametrize(
        "cell", [_named(cell, night if cell.night is None else cell.night) for cell in cells]
    )


def check(lab: Lab, stack: Stack, cell: Cell, measured: Measured, *follow: tuple[str, float]) -> None:
    """Measure a cell; the test fails over its budget, and is skipped where the fault is not possible.

    `follow` are the configured times that pass after the start of containers until clients are served.
    """
    __tracebackhide__ = True
    kind = faults.kind(cell.fault)
    known = times(lab, *follow)
    budget = known.budget(*cell.budget(known))
    if cell.fault == "blackout":
        stack = replace(stack, bounds=out_of_the_dark(stack.bounds, known, cell.hold))
    result = measured(
        stack,
        kind,
        cell.target,
        budget,
        hold=cell.hold,
        recovers=cell.recovers,
        told=cell.told,
        barred=cell.barred(known),
    )
    assert result.verdict == "within"


def _named(cell: Cell, night: bool) -> object:
    marks = [pytest.mark.fault(cell.fault), *([AT_NIGHT] if night else [])]
    return pytest.param(cell, marks=marks, id=f"{cell.fault}-{cell.target.removesuffix('.service')}")
