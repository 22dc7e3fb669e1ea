"""What the Vagrantfile is told about a lab's machines, and where Vagrant finds their box."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.box import VmBox
from lab.errors import UserError
from lab.network import mac
from lab.providers.base import MachineSpec
from lab.shell import run

COMMAND_LINE_LIMIT = 2047  # bytes that a Linux kernel on x86 keeps; it drops the rest without a word
BOX = "discovery-lab"
BOX_VERSION = "1.0.0"  # a VAGRANT_HOME serves one lab, whose box never changes
VOLUME = f"{BOX}_vagrant_box_image_{BOX_VERSION}_box.img"  # where vagrant-libvirt looks before it uploads
GIB = 1 << 30


def command_line(spec: MachineSpec, arguments: str) -> str:
    """The kernel's command line: the box's `arguments`, then the machine's whole identity.

    Raises UserError if that is more than a kernel takes.
    """
    identity = base64.b64encode(gzip.compress(spec.env_file().encode(), 9, mtime=0)).decode()
    line = f"{arguments} systemd.machine_id={spec.env['LAB_MACHINE_ID']} lab.config={identity}"
    if len(line) > COMMAND_LINE_LIMIT:
        raise UserError(
            f"{spec.name}: its identity makes a kernel command line of {len(line)} bytes, and a kernel takes"
            f" {COMMAND_LINE_LIMIT}; have fewer machines, or less metadata on them"
        )
    return line


def plan(
    specs: Sequence[MachineSpec], vm: VmBox, *, ssh_key: Path, kvm: bool, within: float, wait: bool = False
) -> dict[str, Any]:
    """What the Vagrantfile reads from LAB_VAGRANT_JSON; `wait` has Vagrant wait for SSH, as is its habit."""
    return {
        "box": BOX,
        "box_version": BOX_VERSION,
        "kernel": str(vm.kernel),
        "initrd": str(vm.initrd),
        "ssh_key": str(ssh_key),
        "kvm": kvm,
        "wait": wait,
        "boot_timeout": round(within),
        "machines": [_machine(spec, vm) for spec in specs],
    }


def register_box(image: Path, vagrant_home: Path, images: Path) -> None:
    """Make the box known to Vagrant and its volume to libvirt, without a copy of the image."""
    images.mkdir(parents=True, exist_ok=True)
    _link(image, images / VOLUME)
    folder = vagrant_home / "boxes" / BOX / BOX_VERSION / "libvirt"
    folder.mkdir(parents=True, exist_ok=True)
    size = json.loads(run(["qemu-img", "info", "--output=json", str(image)]))["virtual-size"]
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": -(-size // GIB)}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    if not (folder / "box.img").is_symlink():
        (folder / "box.img").symlink_to(image)


def _machine(spec: MachineSpec, vm: VmBox) -> dict[str, Any]:
    machine = spec.machine
    return {
        "name": spec.name,
        "uuid": spec.env["LAB_MACHINE_ID"],
        "memory": machine.memory,
        "cpus": machine.cpus,
        "command_line": command_line(spec, vm.arguments),
        "console": str(spec.console),
        "control": str(machine.control),
        "control_mac": mac(machine.control),
        "bridges": [
            {"bridge": bridge, "mac": mac(address)}
            for bridge, address in (("private", machine.private), ("public", machine.public))
            if address is not None
        ],
    }


def _link(image: Path, name: Path) -> None:
    """A second name for `image`; a symbolic one where the cache is on another file system."""
    name.unlink(missing_ok=True)
    try:
        os.link(image, name)
    except OSError:
        name.symlink_to(image)
