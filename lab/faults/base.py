"""What a fault is: a kind that can be injected and healed, and the block that heals it whatever happens."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab.errors import MachineError, UserError
from lab.faults import ledger
from lab.health import require_healthy, require_start
from lab.roles import Target, resolve, view
from lab.running import Lab

INTERRUPTIONS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # nobody looks then


@dataclass(frozen=True)
class Fault:
    """What was done to whom; `at` is the moment on the monotonic clock just before it."""

    kind: str
    target: Target
    at: float

    @property
    def machine(self) -> str:
        """The first machine that was hit."""
        return self.target.machines[0]

    def elapsed(self) -> float:
        """Seconds since the fault."""
        return time.monotonic() - self.at


class Kind(ABC):
    """One idea of what can go wrong. It keeps nothing: what healing needs is in the target and the lab."""

    name: ClassVar[str]
    summary: ClassVar[str]
    default: ClassVar[str] = ""  # the target when none is named
    amount: ClassVar[str] = ""  # how much of it, for kinds that have a measure
    needs_what: ClassVar[bool] = False  # hits something on the machine, not the machine
    takes_power: ClassVar[bool] = False  # machines end without a word
    starts_machines: ClassVar[bool] = False  # those that it hits, when it heals

    def available(self, lab: Lab) -> str:
        """Why this fault is not possible in this lab; "" if it is."""
        return ""

    @abstractmethod
    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        """Do it. May raise MachineError half way: the healing follows all the same."""

    @abstractmethod
    def heal(self, lab: Lab, target: Target) -> None:
        """Undo it; nothing happens where there is nothing to undo."""

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        """The amount as it will be used. Raises UserError for a target or an amount that makes no sense."""
        if self.needs_what and not target.what:
            raise UserError(f"{self.name} hits something on a machine: give a unit, or MACHINE:NAME")
        if amount and not self.amount:
            raise UserError(f"{self.name} has no amount")
        return amount or self.amount


class NotPossible(MachineError):
    """The fault cannot be made in this lab; says why."""


@contextlib.contextmanager
def inject(
    lab: Lab,
    kind: Kind,
    target: str | Target = "",
    *,
    amount: str = "",
    units: Iterable[str] = (),
    checked: bool = True,
) -> Iterator[Fault]:
    """Health before, the fault, the block, and then, whatever happened, the healing; health after.

    `units` must run before and after; `checked=False` leaves both looks out, for a fault within a fault.
    Raises Void if the lab is sick before, NotPossible (as `available` says), and MachineError if it is
    sick after.
    """
    __tracebackhide__ = True
    wanted = tuple(units)
    aim, measure = _aimed(lab, kind, target, amount)
    if checked:
        require_start(lab, f"{kind.name} of {aim}", wanted)
        aim, measure = _aimed(lab, kind, target, amount)  # another may lead by now
    fault = Fault(kind.name, aim, time.monotonic())
    mark = ledger.begin(lab, kind.name, aim, measure)
    try:
        kind.inject(lab, aim, measure)
        yield fault
    except BaseException as problem:
        try:
            # pytest.fail raises what is no Exception; who looks knows which of these is a failure
            if lab.on_trouble is not None and not isinstance(problem, INTERRUPTIONS):
                lab.on_trouble(problem)
        finally:
            _heal_beside(problem, lab, kind, aim, mark)
        raise
    _heal_to_the_end(lab, kind, aim, mark)
    if checked:
        require_healthy(lab, f"after {kind.name} of {aim}", wanted)


def leave(lab: Lab, kind: Kind, target: str | Target, *, amount: str = "") -> Fault:
    """Make a fault and leave it in place, for `lab heal`; what half of it was made is healed at once."""
    aim, measure = _aimed(lab, kind, target, amount)
    fault = Fault(kind.name, aim, time.monotonic())
    mark = ledger.begin(lab, kind.name, aim, measure)
    try:
        kind.inject(lab, aim, measure)
    except BaseException as problem:
        _heal_beside(problem, lab, kind, aim, mark)
        raise
    return fault


def _heal_beside(problem: BaseException, lab: Lab, kind: Kind, aim: Target, mark: str) -> None:
    """Heal after a failure, which stays what the reader is to see: that it did not heal is a note to it."""
    try:
        _heal_to_the_end(lab, kind, aim, mark)
    except MachineError as unhealed:
        if hasattr(problem, "add_note"):  # from Python 3.11 on; the ledger, which a report shows, knows it
            problem.add_note(f"{kind.name} of {aim} is not healed: {unhealed}; `lab heal` tries again")


def _heal_to_the_end(lab: Lab, kind: Kind, aim: Target, mark: str) -> None:
    """Heal; who interrupts that wants to go, and no fault to stay: it is healed all the same, but once."""
    try:
        heal(lab, kind, aim, mark)
    except INTERRUPTIONS:
        heal(lab, kind, aim, mark)
        raise


def _aimed(lab: Lab, kind: Kind, target: str | Target, amount: str) -> tuple[Target, str]:
    """Whom it hits and how hard, if it is possible and makes sense."""
    if reason := kind.available(lab):
        raise NotPossible(f"{kind.name} is not possible here: {reason}")
    aim = target if isinstance(target, Target) else resolve(target or kind.default, view(lab))
    return aim, kind.check(lab, aim, amount)


def heal(lab: Lab, kind: Kind, target: Target, mark: str) -> None:
    """Heal and say so; a fault that does not heal stays in the ledger, for `lab heal`.

    One that somebody else has healed (`lab heal` in another terminal, `lab reset`) is healed.
    """
    if not ledger.stands(lab, mark):
        return
    ledger.note(lab, "heal", mark)
    kind.heal(lab, target)
    ledger.end(lab, mark)
