"""Lets a machine join a lab that is up, or leave it; what was killed midway is finished by the next try."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from lab import box, connection, readiness, store
from lab.errors import MachineError, UserError
from lab.etcd import EtcdFailed, Member
from lab.identity import machine_spec
from lab.node import ConnectionLost
from lab.progress import Progress
from lab.providers.base import MachineSpec
from lab.topology import Machine
from lab.waiting import eventually

if TYPE_CHECKING:
    from lab.running import Lab

PEER_PORT = 2380
# etcd takes no change before each member has seen the others for five seconds without a break.
TAKEN_WITHIN = 30.0
TAKEN_WITHIN_EMULATED = 120.0
ELECTIONS = 5  # an election takes one to two time-outs, a split vote as many again
RESTART = 10.0  # seconds for a member that starts again: systemd's pause, etcd's own start, a vote it missed
RESTART_EMULATED = 60.0
STOPPED_WITHIN = 60.0  # seconds for a machine's units and containers to end
STOPPED_WITHIN_EMULATED = 240.0
# What says goodbye through etcd stops before etcd does: units that move, registrations that are taken back.
STOP = "systemctl stop fleet.socket fleet.service docker.socket docker.service"


def join(lab: Lab, name: str, progress: Progress) -> None:
    """Start a machine that the lab does not have, as a member (or a proxy) of the running cluster.

    It boots before the cluster hears of it: a cluster of one has no quorum from that moment on until the
    second member runs. Raises UserError, with nothing changed, when it is there already or cannot join now.
    """
    with store.lock(lab.name):
        record = store.require(lab.name)
        machine = record.topology.machine(name)
        if name in record.machines:
            raise UserError(f"{name} is in lab {lab.name!r} already; `lab status` shows it")
        members = _members(record)
        listed = _require_addable(lab, machine, members, progress) if machine.etcd == "member" else None
        emulated = lab.provider.emulated
        spec = machine_spec(record, machine, [*members, machine], emulated=emulated, joins=True)
        before = list(lab.specs.values())
        joined = replace(record, machines=_in_order(record, [*record.machines, name]))
        try:
            if listed is not None and lab.provider.state(spec) == "absent":
                _change(lab, f"etcd lets the former {name} go", lambda: _drop(lab, machine))
                listed = None
            if listed is None:
                lab.provider.remove(spec)  # what a join that was killed may have left
                with progress.step(f"starting {name}"):
                    lab.provider.add(box.reopen(record.box), spec)
            elif lab.provider.state(spec) == "off":
                lab.provider.power_on(spec)
            lab.follow(joined, [*before, spec])
            with progress.step(f"waiting for SSH on {name}"):
                lab[name].wait_for_ssh()
            if listed is None and machine.etcd == "member":
                with progress.step(f"adding {name} to the etcd cluster"):
                    _change(lab, f"etcd takes {name} as a member", lambda: _add(lab, machine))
                # until now it has failed, and would wait before it tries again
                lab[name].run("systemctl restart --no-block etcd.service", sudo=True)
            with progress.step(f"waiting until {name} is ready"):
                readiness.wait_joined(lab, name, emulated=emulated)
        except BaseException:
            _undo(lab, spec, progress)
            lab.follow(record, before)
            raise
        joined.save()


def leave(lab: Lab, name: str, progress: Progress) -> None:
    """Take a machine from the lab; one without power, too, if the others are a quorum without it.

    Raises UserError, with nothing changed, when etcd could not go on without its member.
    """
    with store.lock(lab.name):
        record = store.require(lab.name)
        machine = record.topology.machine(name)
        if name not in record.machines:
            raise UserError(f"{name} is not in lab {lab.name!r}; `lab status` shows what is")
        others: list[Machine] = []
        if machine.etcd == "member":
            others = _require_droppable(lab, machine, _members(record), progress)
        spec = lab.specs[name]
        connection.close(lab.name, name)
        if lab.provider.state(spec) == "running":
            within = STOPPED_WITHIN_EMULATED if lab.provider.emulated else STOPPED_WITHIN
            with progress.step(f"stopping what runs on {name}"), contextlib.suppress(ConnectionLost):
                lab[name].run(STOP, sudo=True, check=False, timeout=within)
        left = replace(record, machines=tuple(other for other in record.machines if other != name))
        before = list(lab.specs.values())
        lab.follow(left, [other for other in before if other != spec])
        try:
            if machine.etcd == "member":
                with progress.step(f"taking {name} from the etcd cluster"):
                    _change(lab, f"etcd lets {name} go", lambda: _drop(lab, machine))
        except BaseException:
            lab.follow(record, before)
            with contextlib.suppress(MachineError):
                lab[name].run(STOP.replace("stop", "start"), sudo=True, check=False)
            raise
        left.save()  # killed from here on, what is left of the machine goes with its next join, reset or down
        with progress.step(f"removing {name}"):
            lab.provider.remove(spec)
        if others:  # the one that left may have led them; until they have elected, nobody can join
            _change(lab, "the other etcd members can write", lambda: all(_healthy(lab, others)))


def _require_addable(
    lab: Lab, machine: Machine, members: Sequence[Machine], progress: Progress
) -> Member | None:
    """Raise UserError unless the cluster can take the machine; its member, if a killed join has added it."""
    try:
        listed = {peer: member for member in lab.etcd.members() for peer in member.peers}
    except EtcdFailed:
        raise UserError(
            f"{machine.name} cannot join: no etcd member answers; `lab status` shows them"
        ) from None
    known = listed.pop(_peer(machine), None)
    if known is not None:
        return known
    strange = sorted(listed.keys() ^ {_peer(member) for member in members})
    if strange:
        raise UserError(
            f"{machine.name} cannot join: etcd's member at {strange[0]} and the lab's machines do not match; "
            "`etcdctl member list` and `lab status` show both"
        )
    well = _well(lab, members, len(members), progress)
    down = [member.name for member in members if member not in well]
    if down:
        raise UserError(
            f"{machine.name} cannot join: etcd takes a new member while all others are healthy, and "
            f"{' and '.join(down)} {'is' if len(down) == 1 else 'are'} not; `lab status` shows why"
        )
    return None


def _require_droppable(
    lab: Lab, machine: Machine, members: Sequence[Machine], progress: Progress
) -> list[Machine]:
    """The other members that can write. Raises UserError if they are no quorum."""
    others = [member for member in members if member != machine]
    if not others:
        raise UserError(f"{machine.name} carries the last etcd member; `lab down` removes the whole lab")
    needed = len(others) // 2 + 1
    well = _well(lab, others, needed, progress)
    if len(well) < needed:
        raise UserError(
            f"{machine.name} cannot leave: of the other {len(others)} etcd members {len(well)} can write, "
            f"and {needed} must; `lab status` shows which cannot"
        )
    return well


def _well(lab: Lab, members: Sequence[Machine], needed: int, progress: Progress) -> list[Machine]:
    """The members that can write, as soon as `needed` of them can, or else as they were seen last.

    A cluster that has just lost its leader, or a member that starts again, is well a little later.
    """
    well: list[Machine] = []

    def enough() -> bool:
        well[:] = [member for member, good in zip(members, _healthy(lab, members), strict=True) if good]
        return len(well) >= needed

    election = lab.topology.etcd.milliseconds(lab.provider.emulated)[1] / 1000
    restart = RESTART_EMULATED if lab.provider.emulated else RESTART
    with progress.step("looking whether etcd can take a change"), contextlib.suppress(MachineError):
        eventually(enough, ELECTIONS * election + restart, f"{needed} etcd members are healthy")
    return well


def _healthy(lab: Lab, members: Sequence[Machine]) -> list[bool]:
    with ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(lambda member: lab.etcd.healthy(member.name), members))


def _change(lab: Lab, what: str, change: Callable[[], bool]) -> None:
    within = TAKEN_WITHIN_EMULATED if lab.provider.emulated else TAKEN_WITHIN
    eventually(change, within, what, ignoring=(EtcdFailed,))


def _add(lab: Lab, machine: Machine) -> bool:
    if _listed(lab, machine) is None:  # a try that was not answered may have done it
        lab.etcd.add_member(_peer(machine))
    return True


def _drop(lab: Lab, machine: Machine) -> bool:
    known = _listed(lab, machine)
    if known is not None:
        lab.etcd.remove_member(known.id)
    return True


def _undo(lab: Lab, spec: MachineSpec, progress: Progress) -> None:
    """Take back a join; not if etcd has no quorum without the machine, which is then left to a second try."""
    try:
        if spec.machine.etcd == "member":
            _drop(lab, spec.machine)
    except MachineError:
        progress.note(f"{spec.name} is a member of etcd by now; `lab up {spec.name}` goes on with it")
        return
    lab.provider.remove(spec)


def _listed(lab: Lab, machine: Machine) -> Member | None:
    return next((member for member in lab.etcd.members() if _peer(machine) in member.peers), None)


def _peer(machine: Machine) -> str:
    return f"http://{machine.private}:{PEER_PORT}"


def _members(record: store.Record) -> list[Machine]:
    """The machines of the lab that carry a member."""
    there = [record.topology.machine(name) for name in record.machines]
    return [machine for machine in there if machine.etcd == "member"]


def _in_order(record: store.Record, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(machine.name for machine in record.topology.machines if machine.name in names)
