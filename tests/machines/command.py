"""Calls the real `lab` command for tests, and looks for what a lab may have left on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import cgroups, netns, network, processes, store

ROOT = Path(__file__).resolve().parents[2]
UP_WITHIN = 300.0  # seconds; the box may have to be built first


class Command:
    """`lab` for one lab of containers, in processes of their own."""

    def __init__(self, name: str, place: Path) -> None:
        self.name = name
        self.place = place

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `lab WORDS...` and return at once; its output goes to a file.

        It can be interrupted, also where the tests themselves run in the background and cannot.
        """
        with (self.place / "output").open("w") as output:
            return subprocess.Popen(
                ["env", "--default-signal=INT", sys.executable, "-m", "lab", *words],
                cwd=self.place,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )

    def __call__(self, *words: str, within: float = UP_WITHIN) -> subprocess.CompletedProcess[str]:
        """Run `lab WORDS...` to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "-m", "lab", *words],
            cwd=self.place,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def ok(self, *words: str) -> str:
        """Run `lab WORDS...`, which must go well; returns what it printed."""
        done = self(*words)
        assert done.returncode == 0, f"lab {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> None:
        self.ok("up", "--provider=nspawn")

    def status(self) -> dict[str, dict[str, Any]]:
        """Every machine as `lab status --json` tells it, by name."""
        machines = json.loads(self.ok("--json", "status"))["machines"]
        return {machine["name"]: machine for machine in machines}

    def healthy(self) -> bool:
        """Whether etcd's members are all healthy, one leads, and fleet sees every machine."""
        machines = self.status().values()
        members = sorted(machine["etcd"] for machine in machines)
        return members == ["healthy", "healthy", "leader"] and all(machine["fleet"] for machine in machines)

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name != "LAB_NAME"}
        return {**environment, "LAB_NAME": self.name, "PYTHONPATH": str(ROOT)}


def traces(name: str) -> list[str]:
    """All that is left of a lab on this host: nothing, after `lab down`."""
    folder = store.folder(name)
    left = [f"process {pid}" for pid in processes.marked(folder)]
    left += [f"process {pid} in a control group" for pid in cgroups.pids(name)]
    left += [f"control group {top}" for top in cgroups.hierarchies() if (top / cgroups.ROOT / name).exists()]
    if netns.path(network.namespace(name)).exists():
        left.append(f"network namespace {network.namespace(name)}")
    if folder.exists():
        left.append(f"folder {folder}")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, mounts = (entry / "cmdline").read_bytes(), (entry / "mountinfo").read_text()
            except OSError:
                continue
            if f"{folder}/".encode() in command:
                left.append(f"process {entry.name}: {command!r}")
            if f"{folder}/" in mounts:
                left.append(f"a mount that process {entry.name} sees")
    return left
