"""The commands of `lab`, one function each; heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.cli import Session
    from lab.running import Lab
    from lab.store import Record


def up(session: Session) -> None:
    from lab import connection, lifecycle, store

    options = session.options
    names: list[str] = options.machines
    running = store.read(session.lab) if names else None
    if running is not None and running.stage == "up":
        _join(session, names, running)
        return
    topology = session.topology()
    lab = lifecycle.up(
        topology, session.progress, provider=options.provider, keep=options.keep, machines=names
    )
    connection.configure(lab.record)
    session.result(_described(lab.record))


def _join(session: Session, names: Sequence[str], running: Record) -> None:
    """Start machines on a lab that is up, one after the other: etcd takes one new member at a time."""
    from lab import membership

    options = session.options
    if options.topology or options.provider not in ("", "auto", running.provider):
        raise UserError(
            f"lab {running.name!r} is up with {running.provider} and its own topology; "
            f"leave --provider and --topology away, or `lab down` first"
        )
    for name in names:  # a mistake in the last name is told before the first machine starts
        if running.topology.machine(name).name in running.machines:
            raise UserError(f"{name} is in lab {running.name!r} already; `lab status` shows it")
    lab = _open(session)
    for name in names:
        membership.join(lab, name, session.progress)
    said = [f"{name} is up; lab {lab.name!r} has {len(lab.specs)} machines" for name in names[-1:]]
    session.result(_described(lab.record), said)


def leave(session: Session) -> None:
    from lab import membership

    lab = _open(session)
    name = lab[session.options.node].name
    membership.leave(lab, name, session.progress)
    session.result(
        _described(lab.record), [f"{name} has left lab {lab.name!r}; `lab up {name}` has it join again"]
    )


def status(session: Session) -> None:
    from lab import status as states

    lab = _open(session)
    rows = states.look(lab)
    units = states.units(lab) if session.options.units else ""
    document = {**_described(lab.record), "machines": [asdict(row) for row in rows]}
    if session.options.units:
        document["units"] = units
    count = f"{len(lab.specs)} of {len(rows)}" if len(lab.specs) < len(rows) else f"{len(rows)}"
    head = f"lab {lab.name!r}: {count} machines, {lab.record.provider}, box {lab.record.box}"
    table = [("MACHINE", "POWER", "PRIVATE", "PUBLIC", "BOOT", "ETCD", "FLEET")]
    for row in rows:
        unknown = "?" if row.power != "absent" and lab.topology.fleet.enabled else "-"
        fleet = {True: "sees it", False: "lost", None: unknown}[row.fleet]
        boot = row.boot[:8] or ("no answer" if row.power == "running" else "-")
        table.append((row.name, row.power, row.private, row.public or "-", boot, row.etcd, fleet))
    session.result(document, [head, *_columns(table), *([units.rstrip()] if units else [])])


def ssh(session: Session) -> None:
    from lab import connection

    record, node = _machine(session)
    words = _command_words(session)
    connection.become(record, connection.session(record, node, words, terminal=sys.stdin.isatty()))


def run(session: Session) -> None:
    from lab import connection

    words = _command_words(session)
    if not words:
        raise UserError(f"lab run {session.options.node}: no command; put it behind `--`")
    record, node = _machine(session)
    connection.become(record, connection.command(record, node, words))


def reboot(session: Session) -> None:
    from lab import connection

    lab = _open(session)
    node = lab[session.options.node]
    _need_power(lab, node.name)
    with session.progress.step(f"rebooting {node.name}"):
        boot = node.reboot()
    connection.close(lab.name, node.name)
    session.result({"machine": node.name, "boot": boot}, [f"{node.name} has rebooted"])


def crash(session: Session) -> None:
    from lab import connection

    lab = _open(session)
    name = lab[session.options.node].name
    _need_power(lab, name)
    with session.progress.step(f"taking the power from {name}"):
        lab.power_off(name)
    connection.close(lab.name, name)
    session.result(
        {"machine": name, "power": lab.state(name)},
        [f"{name} has lost power; `lab start {name}` gives it back"],
    )


def start(session: Session) -> None:
    lab = _open(session)
    name = lab[session.options.node].name
    if lab.state(name) == "running":
        raise UserError(f"{name} has power; `lab reboot {name}` reboots it")
    with session.progress.step(f"starting {name}"):
        lab.power_on(name)
    session.result({"machine": name, "power": lab.state(name)}, [f"{name} is up"])


def cut(session: Session) -> None:
    lab = _open(session)
    name = lab[session.options.node].name
    lab.cut(name)
    session.result(
        {"machine": name, "network": "cut"},
        [f"{name} is cut off; `lab ssh {name}` still works, `lab heal {name}` heals it"],
    )


def logs(session: Session) -> None:
    from lab import connection

    options = session.options
    lab = _open(session)
    node = lab[options.node]
    console = lab.specs[node.name].console
    if options.console or lab.state(node.name) != "running":
        if not console.exists():
            raise UserError(f"{node.name} has no console log yet")
        follow = ["-F"] if options.follow else []
        connection.become(lab.record, ["tail", "-n", str(options.lines), *follow, str(console)])
    units = [f"--unit={unit}" for unit in options.unit]
    follow = ["--follow"] if options.follow else []
    words = ["sudo", "journalctl", "--no-pager", f"--lines={options.lines}", *units, *follow]
    connection.configure(lab.record)
    connection.become(lab.record, connection.command(lab.record, node.name, words))


def reset(session: Session) -> None:
    from lab import connection, lifecycle, store

    name = session.lab
    connection.close(name, *(machine.name for machine in store.require(name).topology.machines))
    lab = lifecycle.reset(name, session.progress)
    session.result(_described(lab.record), [f"lab {name!r} is as it was when it first came up"])


def down(session: Session) -> None:
    from lab import lifecycle

    name = session.lab
    removed = lifecycle.down(name, session.progress)
    said = [f"removed: {', '.join(removed)}" if removed else f"there is nothing of a lab {name!r}"]
    session.result({"name": name, "removed": removed}, said)


def doctor(session: Session) -> int:
    from lab.cli import USER_MISTAKE
    from lab.doctor import examine

    found = list(examine(session.options.provider or "auto"))
    lines = [
        f"ok    {finding.what}" if finding.ok else f"FAIL  {finding.what}: {finding.mend}"
        for finding in found
    ]
    session.result([asdict(finding) for finding in found], lines)
    return 0 if all(finding.ok for finding in found) else USER_MISTAKE


def box_build(session: Session) -> None:
    from lab import box

    session.need_root()
    made = box.ensure(session.topology().box, session.progress, vm=session.options.vm)
    session.result({"key": made.key}, [f"box {made.key}"])


def box_list(session: Session) -> None:
    from lab import box

    listed = box.list_boxes()
    table = [("KEY", "SUITE", "FOR", "SIZE", "USED BY")]
    for one in listed:
        uses = ", ".join(one.used_by) or "-"
        kind = "containers, VMs" if one.vm else "containers"
        table.append((one.key, one.suite, kind, f"{one.size / (1 << 20):.0f} MiB", uses))
    session.result(
        [asdict(one) for one in listed], _columns(table) if listed else ["no box; `lab box build` makes one"]
    )


def box_rm(session: Session) -> None:
    from lab import box

    session.need_root()
    removed = box.remove(session.options.key, session.options.days)
    said = [f"removed: {', '.join(removed)}" if removed else "no box to remove"]
    session.result({"removed": removed}, said)


def _open(session: Session) -> Lab:
    from lab.lifecycle import open_lab

    return open_lab(session.lab, session.progress)


def _machine(session: Session) -> tuple[Record, str]:
    """The lab's record and the machine's name, checked; a machine without power is said to be so at once."""
    from lab import connection

    lab = _open(session)
    node = lab[session.options.node].name
    _need_power(lab, node)
    connection.configure(lab.record)
    return lab.record, node


def _need_power(lab: Lab, name: str) -> None:
    if lab.state(name) != "running":
        raise UserError(f"{name} has no power; `lab start {name}` starts it")


def _command_words(session: Session) -> list[str]:
    words: list[str] = session.options.words
    return words[1:] if words[:1] == ["--"] else words


def _described(record: Record) -> dict[str, object]:
    machines = [record.topology.machine(name).model_dump(mode="json") for name in record.machines]
    return {
        "name": record.name,
        "provider": record.provider,
        "reason": record.reason,
        "box": record.box,
        "machines": machines,
    }


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines whose columns stand below one another."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
