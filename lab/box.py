"""The box, of which every machine of a lab is made: a root, a layer on it, baked images, a disk for VMs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import box_apt, store
from lab.box_make import Maker, host_architecture
from lab.box_recipe import PROVISION, Keys, compute_keys, read_images, read_recipe
from lab.box_stage import Stages
from lab.errors import UserError
from lab.progress import Progress
from lab.topology import BoxSource

TOOLS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "setpriv": "util-linux", "ip": "iproute2"}
DAY = 86_400.0  # seconds
VM_TOOLS = {"qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"}


@dataclass(frozen=True)
class VmBox:
    """The box as a virtual machine boots it; `arguments` come first on the kernel's command line."""

    image: Path
    kernel: Path
    initrd: Path
    arguments: str


@dataclass(frozen=True)
class Box:
    """A box on disk; nothing in it may be written to."""

    key: str
    root: Path
    layer: Path
    docker: Path
    registry: Path
    disk: VmBox | None = None

    def layers(self) -> list[Path]:
        """The lower directories of a machine's overlay, topmost first."""
        return [self.layer, self.root]

    def vm(self) -> VmBox:
        if self.disk is None:
            raise UserError("this box has no disk for virtual machines; `lab box build --vm` makes it")
        return self.disk


@dataclass(frozen=True)
class BoxListing:
    """One line of `lab box list`; `size` counts all its stages, those shared with other boxes too."""

    key: str
    suite: str
    vm: bool
    size: int
    used_by: tuple[str, ...]


def ensure(source: BoxSource, progress: Progress, *, vm: bool = False, provision: Path = PROVISION) -> Box:
    """The box for `source`; makes what is missing of it, and shows each stage in `progress`.

    Raises UserError when it cannot be made here: no mirror, no room, a missing tool.
    """
    maker, keys = _plan(source, provision)
    stages = Stages(_folder())
    names = _stage_names(keys)
    wanted = [name for kind, name in names.items() if vm or kind != "vm"]
    missing = [name for name in wanted if not (stages.folder / name).is_dir()]
    if missing:
        _check_host(vm)

    def stage(kind: str, text: str, *needs: Path) -> Path:
        name = names[kind]
        if name not in missing:
            return stages.folder / name
        with progress.step(text):
            return stages.ensure(name, lambda out: getattr(maker, kind)(out, *needs))

    with ThreadPoolExecutor(2) as pool:
        base_made = None
        if names["baked"] in missing:
            base_made = pool.submit(stage, "base", "box: make the base image")
        root = stage("root", f"box: install {maker.suite} and its packages")
        layer = stage("stack", "box: add the lab's own programs", root)
        base = base_made.result() if base_made else stages.folder / names["base"]
    baked = stage("baked", "box: build the Docker images", root, base)
    if vm:
        stage("vm", "box: make the disk of the virtual machines", root, layer, baked)
    _remember(keys, maker.suite, wanted, maker.recipe.vm.arguments.strip())
    return reopen(keys.box)


def reopen(key: str) -> Box:
    """A box that was made before, by its key: a lab keeps its box while the recipe moves on.

    Raises UserError if it, or a part of it, is no longer there.
    """
    folder = _folder()
    try:
        record = json.loads((folder / f"{key}.json").read_text())
        parts = {name.partition("-")[0]: folder / name for name in record["stages"]}
        place = parts.get("vm")
        disk = place and VmBox(place / "disk.qcow2", place / "kernel", place / "initrd", record["arguments"])
        root, layer, baked = parts["root"] / "root", parts["stack"] / "layer", parts["images"]
    except (OSError, ValueError, KeyError):
        raise UserError(f"box {key} is gone from {folder}; `lab down` and `lab up` make a new one") from None
    return Box(key, root, layer, baked / "docker", baked / "registry", disk)


def list_boxes() -> list[BoxListing]:
    """The boxes that are whole, the one that was longest not used first."""
    stages = Stages(_folder())
    found = []
    users = _users()
    for path in sorted(stages.folder.glob("*.json"), key=lambda path: path.stat().st_mtime):
        record = json.loads(path.read_text())
        if all((stages.folder / name).is_dir() for name in record["stages"]):
            size = sum(stages.size(name) for name in record["stages"])
            with_vm = any(name.startswith("vm-") for name in record["stages"])
            found.append(
                BoxListing(path.stem, record["suite"], with_vm, size, tuple(users.get(path.stem, ())))
            )
    return found


def remove(key: str, days: float = 7) -> list[str]:
    """Remove a box by its key (or the start of it), or those that no lab uses; returns what was removed.

    Of the latter, "all" means all, and "old" those that no lab was made of for so many days. Stages that
    another box shares stay. Raises UserError for a box that a lab uses.
    """
    stages = Stages(_folder())
    records = {path.stem: path for path in stages.folder.glob("*.json")}
    users = _users()
    if key in ("all", "old"):
        since = time.time() - days * DAY if key == "old" else math.inf
        going = [name for name, path in records.items() if path.stat().st_mtime < since]
        going = [name for name in going if name not in users]
    else:
        going = [name for name in records if name.startswith(key)]
        if len(going) != 1:
            known = ", ".join(sorted(records)) or "none"
            raise UserError(f"no box {key!r}; the boxes are: {known}")
        if going[0] in users:
            labs = " and ".join(users[going[0]])
            raise UserError(f"box {going[0]} is used by lab {labs}; `lab down` comes first")
    for name in going:
        records.pop(name).unlink()
    kept = {stage for path in records.values() for stage in json.loads(path.read_text())["stages"]}
    unused = [name for name in stages.names() if name not in kept]
    for name in unused:
        stages.remove(name)
    stages.sweep()
    return [f"box {name}" for name in going] + unused


def _plan(source: BoxSource, provision: Path) -> tuple[Maker, Keys]:
    recipe = read_recipe(provision)
    images = read_images(provision)
    suite, mirror = (None if value in (None, "auto") else value for value in (source.suite, source.mirror))
    distribution, suite, sources = box_apt.choose(
        suite,
        mirror,
        box_apt.host_sources(),
        *box_apt.host_release(),
        recipe.distribution_of(),
        {name: one.components for name, one in recipe.distributions.items()},
    )
    architecture = host_architecture()
    keys = compute_keys(recipe, images, sources, distribution, architecture, provision)
    options = tuple(box_apt.host_options())
    maker = Maker(recipe, images, provision, distribution, suite, tuple(sources), options, architecture)
    return maker, keys


def _stage_names(keys: Keys) -> dict[str, str]:
    return {
        "root": f"root-{keys.root}",
        "base": f"base-{keys.base}",
        "baked": f"images-{keys.images}",
        "stack": f"stack-{keys.stack}",
        "vm": f"vm-{keys.vm}",
    }


def _check_host(vm: bool) -> None:
    if os.geteuid() != 0:
        raise UserError("a box can only be made by root: run this with sudo")
    tools = {**TOOLS, **VM_TOOLS} if vm else TOOLS
    lacking = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    if lacking:
        raise UserError(f"to make a box this host lacks: apt-get install {' '.join(lacking)}")


def _remember(keys: Keys, suite: str, stages: Iterable[str], arguments: str) -> None:
    """Note which stages belong to the box, and when it was asked for last.

    A box that has a disk keeps it when it is asked for without.
    """
    path = _folder() / f"{keys.box}.json"
    record: dict[str, object] = {"suite": suite, "stages": sorted(stages), "arguments": arguments}
    if path.exists():
        before = json.loads(path.read_text())
        record["stages"] = sorted({*stages, *before["stages"]})
        if record == before:
            with contextlib.suppress(PermissionError):
                os.utime(path)
            return
    part = path.with_suffix(f".{os.getpid()}.new")
    part.write_text(json.dumps(record))
    part.rename(path)


def _users() -> dict[str, list[str]]:
    """The labs by the box they use."""
    users: dict[str, list[str]] = {}
    for path in sorted((store.home() / "labs").glob("*/lab.json")):
        try:
            key = json.loads(path.read_text())["box"]
        except (OSError, ValueError, KeyError):
            continue
        users.setdefault(key, []).append(path.parent.name)
    return users


def _folder() -> Path:
    return store.home() / "boxes"
