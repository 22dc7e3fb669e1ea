"""Machines as QEMU virtual machines, made by Vagrant in a libvirtd that belongs to the lab."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from lab import processes
from lab.box import Box, VmBox
from lab.copying import discard
from lab.errors import MachineError, UserError
from lab.providers import domains, vagrant_plan
from lab.providers.base import LabContext, MachineSpec, State
from lab.providers.libvirtd import PrivateLibvirt
from lab.shell import run

VAGRANTFILE = Path(__file__).resolve().parents[2] / "Vagrantfile"
UP_WITHIN = {True: 180.0, False: 420.0}  # seconds, by whether KVM works; emulation needs about 40
GRACE = 10.0  # seconds in which an interrupted Vagrant may tidy up
TAIL = 1500  # characters of a log that an error carries
PART = "LAB_PART"  # in the environment of Vagrant's processes
UNWANTED = ("SSH_AUTH_SOCK", "VAGRANT_DEFAULT_PROVIDER", "LIBVIRT_DEFAULT_URI", "RUBYOPT", "RUBYLIB")


class VagrantLibvirt:
    """The virtual machines of one lab; `kvm` says whether KVM really works here (lab.kvm)."""

    name = "libvirt"
    bridges: tuple[str, ...] = ("control", "private", "public")

    def __init__(self, context: LabContext, *, kvm: bool) -> None:
        self.context = context
        self.kvm = kvm
        self.emulated = not kvm
        self.daemon = PrivateLibvirt(context.folder, context.netns)

    def up(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Make and start the machines by one `vagrant up`; returns when all have been started."""
        self.prepare(box, specs)
        # libvirt asks QEMU for its capabilities at the first call, which takes a second: Vagrant needs
        # longer than that to start
        warm = threading.Thread(target=self._warm_up, name="libvirt capabilities", daemon=True)
        warm.start()
        self._vagrant_up(specs)

    def add(self, box: Box, spec: MachineSpec) -> None:
        """Start one more machine; Vagrant makes it unless it has made it before."""
        vm = box.vm()
        processes.kill(
            processes.marked(self.context.folder, {PART: "vagrant"})
        )  # of a harness that was killed
        if spec.name in self._known():
            self._afresh(spec, vm)
            return
        spec.folder.mkdir(parents=True, exist_ok=True)
        (self.daemon.images / f"{spec.name}.img").unlink(missing_ok=True)
        self.daemon.connection().storagePoolLookupByName("default").refresh()
        self._write_plan([spec], vm)
        self._vagrant_up([spec])

    def remove(self, spec: MachineSpec) -> None:
        """Take a machine's power and its disk; libvirt keeps its description, which costs nothing."""
        if spec.name in self._known():
            domains.power_off(self.daemon.connection(), spec.name)
        (self.daemon.images / f"{spec.name}.img").unlink(missing_ok=True)
        discard(spec.folder)

    def prepare(self, box: Box, specs: Sequence[MachineSpec], *, wait: bool = False) -> None:
        """All that must be there before `vagrant up`: the daemon, the box, and what the Vagrantfile reads."""
        vm = box.vm()
        home = self.daemon.home
        self.daemon.write()
        vagrant_plan.register_box(vm.image, home / "vagrant", self.daemon.images)
        self._write_plan(specs, vm, wait=wait)
        (home / "tmp").mkdir(exist_ok=True)
        for spec in specs:
            spec.folder.mkdir(parents=True, exist_ok=True)
        self.daemon.start(self.kvm)

    def environment(self) -> dict[str, str]:
        """The variables with which any `vagrant` command sees this lab."""
        home = self.daemon.home
        kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        return {
            **kept,
            processes.MARK: str(self.context.folder),
            PART: "vagrant",
            "LAB_VAGRANT_JSON": str(home / "plan.json"),
            "VAGRANT_CWD": str(VAGRANTFILE.parent),
            "VAGRANT_HOME": str(home / "vagrant"),
            "VAGRANT_DOTFILE_PATH": str(home / "dotfile"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "TMPDIR": str(home / "tmp"),
        }

    def down(self) -> list[str]:
        """End every process of the machines and forget them: all their state lies in the lab's folder."""
        removed = [f"virtual machine {name}" for name in self._known()]
        if killed := self.daemon.stop():
            removed.append(f"{killed} processes of its libvirtd")
        processes.kill(processes.marked(self.context.folder))
        discard(self.daemon.home)
        return removed

    def reset(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Give each machine an empty layer above the box again, and boot it."""
        # A snapshot of a running machine would be back sooner, with the clock of the day it was taken:
        # set right, it ends every lease in etcd at once. A boot is what users get from `lab up`, too.
        with ThreadPoolExecutor(len(specs)) as pool:
            for done in [pool.submit(self._afresh, spec, box.vm()) for spec in specs]:
                done.result()

    def settle(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Nothing is put off: an empty layer above the box takes no time to make."""

    def power_off(self, spec: MachineSpec) -> None:
        domains.power_off(self.daemon.connection(), spec.name)

    def power_on(self, spec: MachineSpec) -> None:
        domains.power_on(self.daemon.connection(), spec.name)

    def cut(self, spec: MachineSpec) -> None:
        domains.links(self.daemon.connection(), spec.name, "down")

    def heal(self, spec: MachineSpec) -> None:
        domains.links(self.daemon.connection(), spec.name, "up")

    def pause(self, spec: MachineSpec) -> None:
        domains.pause(self.daemon.connection(), spec.name)

    def resume(self, spec: MachineSpec) -> None:
        domains.resume(self.daemon.connection(), spec.name)

    def ports(self, spec: MachineSpec) -> dict[str, str]:
        return domains.ports(self.daemon.connection(), spec.name)

    def state(self, spec: MachineSpec) -> State:
        if not self.daemon.running():
            return "absent"
        return domains.state(self.daemon.connection(), spec.name)

    def _write_plan(self, specs: Sequence[MachineSpec], vm: VmBox, *, wait: bool = False) -> None:
        within = UP_WITHIN[self.kvm]
        key = self.context.ssh_key
        plan = vagrant_plan.plan(specs, vm, ssh_key=key, kvm=self.kvm, within=within, wait=wait)
        (self.daemon.home / "plan.json").write_text(json.dumps(plan, indent=1))

    def _vagrant_up(self, specs: Sequence[MachineSpec]) -> None:
        log = self.daemon.home / "vagrant.log"
        within = UP_WITHIN[self.kvm]
        vagrant = _vagrant(self.daemon, self.environment(), log, within)
        try:
            vagrant.up(provider="libvirt")
        except subprocess.CalledProcessError as problem:
            why = f"was not done after {within:.0f} s" if problem.returncode in (124, 137) else "failed"
            parts = [f"`vagrant up` {why}; {log} ends in:\n{_tail(log)}"]
            parts += [f"{spec.console} ends in:\n{_tail(spec.console)}" for spec in specs]
            raise MachineError("\n".join(parts)) from None

    def _afresh(self, spec: MachineSpec, vm: VmBox) -> None:
        connection = self.daemon.connection()
        domains.power_off(connection, spec.name)
        spec.folder.mkdir(parents=True, exist_ok=True)
        domains.set_command_line(connection, spec.name, vagrant_plan.command_line(spec, vm.arguments))
        layer = self.daemon.images / f"{spec.name}.img"
        layer.unlink(missing_ok=True)
        base = f"/var/lib/libvirt/images/{vagrant_plan.VOLUME}"
        # the backing file's path is the one that QEMU will see; only there can its size be read
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base]
        run(self.daemon.command(*create, f"/var/lib/libvirt/images/{layer.name}"))
        domains.links(connection, spec.name, "up")
        domains.power_on(connection, spec.name)

    def _warm_up(self) -> None:
        with contextlib.suppress(Exception):
            self.daemon.connection().getCapabilities()

    def _known(self) -> list[str]:
        """Machines of which libvirt has a description, whether or not it runs."""
        return sorted(file.stem for file in (self.daemon.home / "etc/qemu").glob("*.xml"))


def _vagrant(daemon: PrivateLibvirt, env: dict[str, str], log: Path, within: float) -> Any:
    """python-vagrant, with a log, a time limit, and its commands run where the daemon runs."""
    if not VAGRANTFILE.exists():
        raise UserError(f"{VAGRANTFILE} is missing; run the lab from its checkout")
    try:
        import vagrant
    except ImportError:
        raise UserError("the Python package python-vagrant is missing; `./run` installs it") from None

    class InTheLab(vagrant.Vagrant):
        def _make_vagrant_command(self, args: Sequence[str | None]) -> list[str]:
            words = [word for word in args if word is not None]
            limit = ["timeout", "--signal=INT", f"--kill-after={GRACE:.0f}", f"{within:.0f}"]
            return daemon.command(*limit, "vagrant", *words)

    @contextlib.contextmanager
    def output() -> Iterator[IO[bytes]]:
        with log.open("ab") as file:
            yield file

    make: Any = InTheLab  # python-vagrant has no types
    return make(root=str(VAGRANTFILE.parent), env=env, out_cm=output, err_cm=output)


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-TAIL:].strip() or "(nothing)"
    except OSError:
        return "(not there)"
