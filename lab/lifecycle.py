"""Brings a lab up, back to its fresh state, and down, whatever state it was left in."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lab import box, network, processes, readiness, registry, secrets, store
from lab.copying import discard
from lab.errors import UserError
from lab.preflight import require_host
from lab.progress import Progress
from lab.providers import choice
from lab.providers.base import LabContext, MachineSpec, Provider
from lab.running import Lab
from lab.topology import Topology


def up(topology: Topology, progress: Progress, *, provider: str = "", keep: bool = False) -> Lab:
    """Make a lab and return it when etcd is healthy, Docker answers and fleet lists every machine.

    `provider` overrides the topology's. Whatever goes wrong, nothing half made is left, unless `keep`.
    Raises UserError for what the user can mend, MachineError for a machine that did not come up.
    """
    wanted = provider or topology.provider
    require_host(wanted)
    start = time.monotonic()
    with store.lock(topology.name):
        existing = store.read(topology.name)
        if existing is not None and existing.stage == "up":
            raise UserError(
                f"lab {topology.name!r} is already up ({len(existing.topology.machines)} machines, "
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
            topology.name, "making", picked.name, picked.reason, picked.kvm, made.key, topology
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
        specs = machine_specs(record, provider)
        lab = Lab(record, provider, specs)
        replace(record, stage="making").save()  # killed from here on, it must not count as up
        try:
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
    return Lab(record, provider, machine_specs(record, provider))


def machine_specs(record: store.Record, provider: Provider) -> list[MachineSpec]:
    """What each machine is told about itself and the lab."""
    topology = record.topology
    place = store.folder(record.name)
    beat, election = topology.etcd.milliseconds(provider.emulated)
    lab_address = str(topology.lab_address("private").ip)
    common = {
        "LAB_NAME": topology.name,
        "LAB_GATEWAY": lab_address,
        "LAB_REGISTRY": lab_address,
        "LAB_PEERS": ",".join(f"{machine.name}={machine.private}" for machine in topology.machines),
        "LAB_ETCD_HEARTBEAT_MS": str(beat),
        "LAB_ETCD_ELECTION_MS": str(election),
        "LAB_FLEET_AGENT_TTL": topology.fleet.agent_ttl,
        "LAB_SSH_KEY": (place / "ssh/id_ed25519.pub").read_text().strip(),
        "LAB_CA": secrets.ca_line(place / "ca"),
    }
    specs = []
    for machine in topology.machines:
        networks = topology.networks
        public = f"{machine.public}/{networks.public.prefixlen}" if machine.public else ""
        env = {
            "LAB_HOSTNAME": machine.name,
            "LAB_MACHINE_ID": machine.machine_id(topology.name),
            "LAB_CONTROL_ADDRESS": f"{machine.control}/{networks.control.prefixlen}",
            "LAB_PRIVATE_ADDRESS": f"{machine.private}/{networks.private.prefixlen}",
            "LAB_PUBLIC_ADDRESS": public,
            "LAB_FLEET_METADATA": ",".join(f"{name}={value}" for name, value in machine.metadata.items()),
        }
        specs.append(MachineSpec(machine, {**common, **env}, place / "machines" / machine.name))
    return specs


def _make(record: store.Record, made: box.Box, progress: Progress) -> Lab:
    topology = record.topology
    place = store.folder(record.name)
    for machine in topology.machines:
        (place / "machines" / machine.name).mkdir(parents=True)
    place.chmod(0o700)
    record.save()
    secrets.ssh_key(place / "ssh")
    secrets.certificates(place / "ca", record.name, topology.lab_address("private").ip)
    context = _context(record, progress)
    provider = choice.make(record.provider, context, kvm=record.kvm)
    specs = machine_specs(record, provider)
    network.create(topology, provider.bridges)
    lab = Lab(record, provider, specs)
    with ThreadPoolExecutor(2) as pool:
        serving = pool.submit(registry.start, topology, place, context.netns, made)
        with progress.step(f"starting {len(specs)} machines ({provider.name})"):
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
