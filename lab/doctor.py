"""Looks at the host for `lab doctor`: can a lab be made, how and why so, and what did earlier labs leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lab import box, netns, network, store
from lab.preflight import Finding, findings
from lab.processes import MARK
from lab.providers import choice


def examine(provider: str = "auto") -> Iterator[Finding]:
    """Findings for the provider that `lab up` would take; one that is not ok stops a lab from being made."""
    if os.geteuid() != 0:
        yield from findings("" if provider == "auto" else provider)
        return
    kernels = sorted((store.home() / "boxes").glob("root-*/root/boot/vmlinuz-*"))
    if kernels:
        picked = choice.pick(provider, kernels[-1])
        yield from findings(picked.name)
        yield Finding(f"provider {picked.name}: {picked.reason}", True)
    else:
        yield from findings("" if provider == "auto" else provider)
        yield Finding(f"provider {provider}: whether KVM works is tried with the kernel of a box", True)
    yield from _boxes()
    yield from _labs()
    yield from _leftovers()


def _boxes() -> Iterator[Finding]:
    listed = box.list_boxes()
    if not listed:
        yield Finding("no box yet; `lab up` builds it, which takes some minutes", True)
    for one in listed:
        kind = "with a disk for virtual machines" if one.vm else "for containers"
        yield Finding(f"box {one.key} ({one.suite}, {one.size / (1 << 20):.0f} MiB), {kind}", True)


def _labs() -> Iterator[Finding]:
    for name in store.labs():
        record = store.read(name)
        if record is not None and record.stage == "up":
            yield Finding(f"lab {name!r} is up ({record.provider})", True)
        else:
            yield Finding(
                f"lab {name!r} is half made or being made; `lab down --lab {name}` removes it", True
            )


def _leftovers() -> Iterator[Finding]:
    """What belongs to a lab that has no folder any more. Nothing of this should ever be seen."""
    for folder, pids in sorted(_marked().items()):
        if not Path(folder).exists():
            yield Finding(
                f"{len(pids)} processes of a lab whose folder is gone; to end them: "
                f"LAB_HOME={Path(folder).parents[1]} lab down --lab {Path(folder).name}",
                True,
            )
    known = {network.namespace(name) for name in store.labs()}
    if netns.FOLDER.is_dir():
        for entry in sorted(netns.FOLDER.iterdir()):
            if entry.name.startswith(network.namespace("")) and entry.name not in known:
                name = entry.name.removeprefix(network.namespace(""))
                yield Finding(
                    f"network namespace {entry.name} belongs to no lab in {store.home()}; "
                    f"if no other LAB_HOME uses it: lab down --lab {name}",
                    True,
                )


def _marked() -> dict[str, list[int]]:
    """Processes by the lab folder in their environment."""
    found: dict[str, list[int]] = {}
    prefix = f"{MARK}=".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(prefix):
                folder = variable.removeprefix(prefix).decode(errors="replace")
                found.setdefault(folder, []).append(int(entry.name))
    return found
