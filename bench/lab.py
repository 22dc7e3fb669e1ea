"""How fast the lab is, as ratios of what the same machine needs for the bare thing in the same run.

Usage: python bench/lab.py [up] [reset] [run] [libvirt] [box]; without a word, everything. Rounds alternate
between the two sides, and medians are compared. Exit code 1 if an aim is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder, whose `lab.py` would hide the package

from lab import box, cgroups, lifecycle, network, processes, readiness, registry, store, topology  # noqa: E402
from lab.copying import discard  # noqa: E402
from lab.identity import machine_specs  # noqa: E402
from lab.progress import Progress  # noqa: E402
from lab.providers import choice  # noqa: E402
from lab.running import Lab  # noqa: E402
from lab.waiting import eventually  # noqa: E402

NAME = "t-bench"
ROUNDS = 5
RUNS = 60
BARE = Path(__file__).with_name("bare_containers.sh")
SPARES_WITHIN = 60.0  # seconds
BOX_AIM = 240.0  # seconds
LIMIT = 1800.0  # seconds for any one command: a bench that hangs is no bench

Case = Callable[[], bool]


def main(words: list[str]) -> int:
    """Run the cases named; returns 1 if one missed its aim."""
    unknown = [word for word in words if word not in CASES]
    if unknown:
        print(f"no case {unknown[0]!r}; known: {', '.join(CASES)}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("the bench makes machines: run it with sudo", file=sys.stderr)
        return 2
    lab("down")
    met = [CASES[word]() for word in words or CASES]
    return 0 if all(met) else 1


def up() -> bool:
    """`lab up` until all is ready, against a script that starts the same containers and waits for etcd."""
    made = box.ensure(topology.BoxSource(), Progress("quiet"))
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(timed(lambda: lab("up", "--provider=nspawn")))
        lab("down")
        bare.append(bare_containers(made))
    return verdict("lab up, nspawn", ours, "bare containers", bare, 2.0)


def reset() -> bool:
    """`lab reset` against `lab up`: directly after it, and once spare disks are made, as between tests."""
    at_once, later, bare = [], [], []
    try:
        for _ in range(ROUNDS):
            bare.append(timed(lambda: lab("up", "--provider=nspawn")))
            at_once.append(timed(lambda: lab("reset")))
            eventually(spares_are_made, SPARES_WITHIN)
            later.append(timed(lambda: lab("reset")))
            lab("down")
    finally:
        lab("down")
    met = verdict("lab reset at once", at_once, "lab up", bare, 0.5)
    return verdict("lab reset later", later, "lab up", bare, 0.5) and met


def spares_are_made() -> bool:
    return len(list(store.folder(NAME).glob("machines/*/spare"))) == len(topology.parse("", "").machines)


def run() -> bool:
    """`lab run` over its kept connection, against ssh over a control master of its own."""
    lab("up", "--provider=nspawn")
    try:
        lab("run", "coreos-1", "--", "true")
        config = store.folder(NAME) / "ssh/config"
        with tempfile.TemporaryDirectory() as folder:
            control = ["-o", f"ControlPath={folder}/c", "-o", "ControlMaster=auto"]
            bare = ["ssh", "-F", str(config), *control, "coreos-1", "true"]
            call(bare)
            ours_took, bare_took = [], []
            for _ in range(RUNS):
                ours_took.append(timed(lambda: lab("run", "coreos-1", "--", "true")))
                bare_took.append(timed(lambda: call(bare)))
            call(["ssh", "-F", str(config), *control, "-O", "exit", "coreos-1"])
        return verdict("lab run", ours_took, "ssh, control master", bare_took, 2.0)
    finally:
        lab("down")


def libvirt() -> bool:
    """`lab up` with virtual machines, against a bare `vagrant up` that ends in the same state."""
    box.ensure(topology.BoxSource(), Progress("quiet"), vm=True)
    try:
        ours = timed(lambda: lab("up", "--provider=libvirt"))
    finally:
        lab("down")
    return verdict("lab up, libvirt", [ours], "vagrant up", [bare_vagrant()], 1.0)


def build() -> bool:
    """A box from nothing, disk for virtual machines included."""
    with tempfile.TemporaryDirectory(dir=store.home()) as home:
        took = timed(lambda: lab("box", "build", "--vm", LAB_HOME=home))
        lab("box", "rm", "all", LAB_HOME=home)
    met = took < BOX_AIM
    print(f"{'box build':20} {took:8.3f} s   aim: under {BOX_AIM:.0f} s   {'met' if met else 'MISSED'}")
    return met


CASES: dict[str, Case] = {"up": up, "reset": reset, "run": run, "libvirt": libvirt, "box": build}


def bare_containers(made: box.Box) -> float:
    """Seconds that three bare containers of this box need until etcd is healthy."""
    with folder_of_a_lab() as (place, record):
        provider = choice.make("nspawn", lifecycle._context(record, QUIET), kvm=False)
        specs = machine_specs(record, emulated=provider.emulated)
        for spec in specs:
            (spec.folder / "upper/etc/lab").mkdir(parents=True)
            (spec.folder / "upper/etc/lab/machine.env").write_text(spec.env_file())
            cgroups.create(NAME, spec.name)
        layers = ":".join(str(layer) for layer in made.layers())
        names = [spec.name for spec in specs]
        command = ["unshare", "--mount", "--propagation", "slave", "--", "bash", str(BARE)]
        try:
            environment = {**os.environ, processes.MARK: str(place)}
            return timed(lambda: call([*command, str(place), NAME, layers, *names], environment))
        finally:
            processes.kill(processes.marked(place))
            while pids := cgroups.pids(NAME):
                processes.kill(pids)
            cgroups.remove(NAME)
            network.delete(network.namespace(NAME))


def bare_vagrant() -> float:
    """Seconds that `vagrant up` needs, with the same Vagrantfile and box, until the machines are ready."""
    from lab.providers.vagrant import VAGRANTFILE, VagrantLibvirt

    made = box.ensure(topology.BoxSource(), QUIET, vm=True)
    with folder_of_a_lab(provider="libvirt") as (_, record):
        provider = VagrantLibvirt(lifecycle._context(record, QUIET), kvm=record.kvm)
        specs = machine_specs(record, emulated=provider.emulated)
        network.create(record.topology, provider.bridges)
        try:
            provider.prepare(made, specs)
            registry.start(record.topology, store.folder(NAME), network.namespace(NAME), made)
            running = Lab(record, provider, specs)
            vagrant = provider.daemon.command("vagrant", "up", "--provider=libvirt")

            def ready() -> None:
                call(vagrant, provider.environment(), VAGRANTFILE.parent)
                readiness.wait(running, QUIET, emulated=provider.emulated)

            return timed(ready)
        finally:
            lab("down")


@contextmanager
def folder_of_a_lab(provider: str = "nspawn") -> Iterator[tuple[Path, store.Record]]:
    """The folder of a lab with its keys and record, and nothing that runs."""
    from lab import secrets

    described = topology.parse(f"name: {NAME}", "bench")
    place = store.folder(NAME)
    for machine in described.machines:
        (place / "machines" / machine.name).mkdir(parents=True)
    secrets.ssh_key(place / "ssh")
    secrets.certificates(place / "ca", NAME, described.lab_address("private").ip)
    kernel = next((store.home() / "boxes").glob("root-*/root/boot/vmlinuz-*"))
    kvm = provider == "libvirt" and choice.pick("libvirt", kernel).kvm
    record = store.Record(NAME, "making", provider, "bench", kvm, "bench", described)
    record.save()
    try:
        yield place, record
    finally:
        if place.exists():
            discard(place)


def lab(*words: str, **environment: str) -> None:
    """Run the `lab` that is installed beside this Python."""
    command = Path(sys.executable).with_name("lab")
    if not command.exists():
        raise SystemExit("no `lab` is installed beside this Python; use `./run bench`")
    call([str(command), *words], {**os.environ, "LAB_NAME": NAME, **environment})


def call(command: list[str], environment: dict[str, str] | None = None, place: Path = Path("/")) -> None:
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")


def timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def verdict(ours: str, ours_took: list[float], bare: str, bare_took: list[float], aim: float) -> bool:
    """Print one line and say whether the aim is met."""
    first, second = statistics.median(ours_took), statistics.median(bare_took)
    ratio = first / second
    print(
        f"{ours:20} {first:8.3f} s   {bare:20} {second:8.3f} s   ratio {ratio:5.2f}   "
        f"aim: at most {aim:g}   {'met' if ratio <= aim else 'MISSED'}   ({len(ours_took)} rounds)",
        flush=True,
    )
    return ratio <= aim


QUIET = Progress("quiet")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
