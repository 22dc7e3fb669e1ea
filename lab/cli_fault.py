"""`lab fault` and `lab heal`: something goes wrong on purpose, and is put right again."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from lab.errors import MachineError, UserError

if TYPE_CHECKING:
    from lab.cli import Session
    from lab.running import Lab


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="NAME", nargs="?", default="", help="the fault; --list shows all")
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        default="",
        help="whom it hits; leader-lost, member-stopped and blackout know it",
    )
    parser.add_argument("--for", dest="span", metavar="TIME", default="", help="heal it after TIME (10s, 2m)")
    parser.add_argument("--amount", default="", help="how much: 100ms, 20%%, +60s")
    parser.add_argument("--list", action="store_true", help="show every fault, and why one is not possible")


def fault(session: Session) -> None:
    from lab import faults
    from lab.lifecycle import open_lab

    options = session.options
    if options.list:
        return _list(session)
    if not options.kind:
        raise UserError("which fault? `lab fault --list` shows all")
    kind = faults.kind(options.kind)
    span = _span(options.span)
    if not (options.target or kind.default):
        raise UserError(f"lab fault {kind.name}: no target; `lab fault --help` says how one is named")
    lab = open_lab(session.lab, session.progress)
    if span is None:
        made = faults.leave(lab, kind, options.target, amount=options.amount)
        said = [f"{made.kind} of {made.target} is in place; `lab heal` heals it"]
        session.result(asdict(made), said)
        return None
    with ExitStack() as healing:
        with session.progress.step(f"making the {kind.name}"):
            made = healing.enter_context(
                faults.inject(lab, kind, options.target, amount=options.amount, checked=False)
            )
        with session.progress.step(f"{made.kind} of {made.target}, for {span:g} s"):
            time.sleep(max(0.0, span - made.elapsed()))
        with session.progress.step("healing"):
            healing.close()
    session.result({**asdict(made), "seconds": made.elapsed()}, [f"{made.kind} of {made.target} is healed"])
    return None


def heal(session: Session) -> None:
    from lab import faults
    from lab.lifecycle import open_lab

    lab = open_lab(session.lab, session.progress)
    if session.options.node:
        name = lab[session.options.node].name
        lab.heal(name)
        session.result({"machine": name, "network": "whole"}, [f"{name} has its networks again"])
        return
    with session.progress.step("healing"):
        # first what `lab cut` and `lab crash` have done, which is in no ledger: a fault is healed over SSH
        healed, problems = _give_power(lab)
        try:
            healed += faults.heal_all(lab)
        except MachineError as problem:
            problems.append(str(problem))
    if problems:
        raise MachineError("; ".join(problems))
    session.result({"healed": healed}, [f"healed: {', '.join(healed)}" if healed else "nothing was amiss"])


def _give_power(lab: Lab) -> tuple[list[str], list[str]]:
    """Give machines back the networks and the power that no fault has taken.

    Returns what was missing, and in words which machines do not come back: that keeps no other from it.
    """
    from lab.faults import kinds, ledger

    start = {kind.name for kind in kinds() if kind.starts_machines}
    own = {name for entry in ledger.standing(lab) if entry.kind in start for name in entry.target.machines}
    given, problems = list[str](), list[str]()
    for name in lab.specs:
        try:
            lab.resume(name)
            lab.heal(name)
            if lab.state(name) != "running" and name not in own:
                lab.power_on(name)
                given.append(f"power of {name}")
        except MachineError as problem:
            problems.append(f"{name}: {problem}")
    return given, problems


def _list(session: Session) -> None:
    """Every fault; whether it is possible can only be said of a lab that is up."""
    from lab import faults, store
    from lab.lifecycle import open_lab

    record = store.read(session.lab)
    lab = open_lab(session.lab) if record is not None and record.stage == "up" else None
    rows = [
        {
            "name": kind.name,
            "summary": kind.summary,
            "target": kind.default,
            "amount": kind.amount,
            "impossible": (kind.available(lab) if lab else None),
        }
        for kind in faults.kinds()
    ]
    lines = []
    for row in rows:
        lines.append(f"{row['name']:<18}{row['summary']}" + (f" ({row['amount']})" if row["amount"] else ""))
        if row["impossible"]:
            lines.append(f"{'':<18}not possible here: {row['impossible']}")
    if lab is None:
        lines.append(f"no lab {session.lab!r} is up, so what is possible there is not known")
    session.result(rows, lines)


def _span(text: str) -> float | None:
    from lab.waiting import seconds

    try:
        return seconds(text) if text else None
    except ValueError as problem:
        raise UserError(f"--for: {problem}") from None
