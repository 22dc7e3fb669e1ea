"""Brings a lab up, back to its fresh state, and down, whatever state it was left in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lab import box, connection, faults, network, processes, readiness, registry, secrets, store
from lab.copying import discard
from lab.errors import UserError
from lab.identity import machine_specs
from lab.preflight import require_host
from lab.progress import Progress, counted
from lab.providers import choice
from lab.providers.base import LabContext
from lab.running import Lab
from lab.topology import Topology


def up(
    topology: Topology,
    progress: Progress,
    *,
    provider: str = "",
    keep: bool = False,
    machines: Sequence[str] = (),
) -> Lab:
    """Make a lab and return it when etcd is healthy, Docker answers and fleet lists every machine.

    `provider` overrides the topology's, `machines` names those to begin with if it is not what the topology
    says. Whatever goes wrong, nothing half made is left, unless `keep`.
    Raises UserError for what the user can mend, MachineError for a machine that did not come up.
    """
    wanted = provider or topology.provider
    first = _first(topology, machines)
    require_host(wanted)
    start = time.monotonic()
    with store.lock(topology.name):
        existing = store.read(topology.name)
        if existing is not None and existing.stage == "up":
            raise UserError(
                f"lab {topology.name!r} is already up ({counted(len(existing.machines), 'machine')}, "
                f"{existing.provider}); `lab status` shows it, `lab down` removes it"
            )
        if store.folder(topology.name).exists():
            progress.note(f"lab {topology.name!r} was left half made; removing what there is of it")
            _remove(topology.name, progress)
        made = box.ensure(topology.box, progress)
        picked = choice.pick(wanted, next((made.root / "boot").glob("vmlinuz-*")))
        progress.note(f"provider {picked.name}: {picked.reason}")
        if picked.name == "libvirt":
            made = box.ensure(topology.box, progress, vm=True)
        record = store.Record(
            topology.name, "making", picked.name, picked.reason, picked.kvm, made.key, topology, first
        )
        try:
            lab = _make(record, made, progress)
        except BaseException:
            if not keep:
                _remove(topology.name, progress)
            raise
        replace(record, stage="up").save()
    progress.note(f"lab {topology.name!r} is up after {time.monotonic() - start:.1f} s")
    return lab


def down(name: str, progress: Progress) -> list[str]:
    """Remove a lab with all it has; returns what there was. Works on half-made labs, too."""
    require_host("")
    with store.lock(name):
        return _remove(name, progress)


def reset(name: str, progress: Progress) -> Lab:
    """Give every machine back the state of its first boot, the registry included."""
    require_host("")
    with store.lock(name):
        record = store.require(name)
        made = box.reopen(record.box)
        context = _context(record, progress)
        provider = choice.make(record.provider, context, kvm=record.kvm)
        record = replace(record, machines=record.first)
        specs = machine_specs(record, emulated=provider.emulated)
        lab = Lab(record, provider, specs)
        replace(record, stage="making").save()  # killed from here on, it must not count as up
        try:
            late = [one.name for one in record.topology.machines if one.name not in record.first]
            for spec in machine_specs(record, emulated=provider.emulated, names=late) if late else []:
                provider.remove(spec)
            faults.forget(lab)
            with progress.step("resetting the machines"), ThreadPoolExecutor(1) as pool:
                serving = pool.submit(registry.renew, record.topology, context.folder, context.netns, made)
                provider.reset(made, specs)
                serving.result()
            readiness.wait(lab, progress, emulated=provider.emulated)
            provider.settle(made, specs)
        finally:
            record.save()
    return lab


def open_lab(name: str, progress: Progress | None = None) -> Lab:
    """The running lab called `name`; UserError if there is none."""
    record = store.require(name)
    provider = choice.make(record.provider, _context(record, progress or Progress("quiet")), kvm=record.kvm)
    return Lab(record, provider, machine_specs(record, emulated=provider.emulated))


def _first(topology: Topology, named: Sequence[str]) -> tuple[str, ...]:
    """The machines to begin with. Raises UserError unless one of them carries an etcd member."""
    chosen = [topology.machine(name) for name in named]
    if chosen and not any(machine.etcd == "member" for machine in chosen):
        members = ", ".join(machine.name for machine in topology.machines if machine.etcd == "member")
        raise UserError(f"{named[0]} carries no etcd member; a lab begins with one of: {members}")
    return tuple(machine.name for machine in topology.machines if machine in chosen) or topology.autostarted()


def _make(record: store.Record, made: box.Box, progress: Progress) -> Lab:
    topology = record.topology
    place = store.folder(record.name)
    for name in record.machines:
        (place / "machines" / name).mkdir(parents=True)
    place.chmod(0o700)
    record.save()
    secrets.ssh_key(place / "ssh")
    secrets.certificates(place / "ca", record.name, topology.lab_address("private").ip)
    context = _context(record, progress)
    provider = choice.make(record.provider, context, kvm=record.kvm)
    specs = machine_specs(record, emulated=provider.emulated)
    network.create(topology, provider.bridges)
    lab = Lab(record, provider, specs)
    with ThreadPoolExecutor(2) as pool:
        serving = pool.submit(registry.start, topology, place, context.netns, made)
        with progress.step(f"starting {counted(len(specs), 'machine')} ({provider.name})"):
            provider.up(made, specs)
        serving.result()
    readiness.wait(lab, progress, emulated=provider.emulated)
    provider.settle(made, specs)
    return lab


def _remove(name: str, progress: Progress) -> list[str]:
    """Remove whatever there is of a lab: its record may be missing, its processes may be anywhere."""
    place = store.folder(name)
    namespace = network.namespace(name)
    removed: list[str] = []
    if not (place.exists() or network.exists(namespace) or processes.marked(place)):
        return removed
    with progress.step(f"removing lab {name!r}"):
        record = store.read(name)
        if record is not None:
            replace(record, stage="going").save()  # killed from here on, it must not count as up
            connection.close(name, *record.machines)  # Ansible makes them outside the lab's network
        for kind in [record.provider] if record else choice.KINDS:
            topology = record.topology if record else Topology(machines=(), name=name)
            context = LabContext(name, place, namespace, topology, place / "ssh/id_ed25519", progress)
            removed += choice.make(kind, context, kvm=False).down()
        left = processes.kill(processes.marked(place)) + processes.kill(network.pids(namespace))
        if left:
            removed.append(f"{left} of its own processes on the host")
        if network.delete(namespace):
            removed.append(f"network namespace {namespace}")
        if place.exists():
            _discard_folder(place)
            removed.append(f"folder {place}")
    return removed


def _discard_folder(place: Path) -> None:
    """The record goes last: while it is there, a killed `lab down` is known to be half done."""
    entries = [*place.glob("machines/*"), *(entry for entry in place.iterdir() if entry.name != "lab.json")]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(discard, entries))
    discard(place)


def _context(record: store.Record, progress: Progress) -> LabContext:
    place = store.folder(record.name)
    return LabContext(
        record.name,
        place,
        network.namespace(record.name),
        record.topology,
        place / "ssh/id_ed25519",
        progress,
    )
