"""What every way of making machines offers, and what it is given."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from lab.box import Box
from lab.progress import Progress
from lab.topology import Machine, Topology

State = Literal["running", "off", "absent"]


@dataclass(frozen=True)
class MachineSpec:
    """One machine as a provider needs it: `env` is its identity (machine.env), `folder` its place here."""

    machine: Machine
    env: dict[str, str]
    folder: Path

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    def env_file(self) -> str:
        """The identity as lines that a shell can read."""
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in self.env.items())


@dataclass(frozen=True)
class LabContext:
    """One lab as a provider needs it."""

    name: str
    folder: Path
    netns: str
    topology: Topology
    ssh_key: Path
    progress: Progress


class Provider(Protocol):
    """Makes machines, takes power and network from them, and removes them without a trace.

    Each method ends when the thing is done, raises MachineError if it cannot be, and may be called
    from several threads for different machines.
    """

    name: str
    bridges: tuple[str, ...]  # those that lab.network makes for it; the rest it makes itself
    emulated: bool  # machines run in software emulation: everything takes ten times as long

    def up(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Make and start the machines, side by side."""

    def down(self) -> list[str]:
        """Remove all that was ever made for this lab, half-made things included; says what it was."""

    def reset(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Throw away all that the machines have written, and start them afresh; one may have been removed."""

    def add(self, box: Box, spec: MachineSpec) -> None:
        """Make and start one more machine on a lab that is up."""

    def remove(self, spec: MachineSpec) -> None:
        """End one machine and forget all that it has written; nothing happens if there is none."""

    def settle(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Called once the machines are ready: for what would only have slowed their start."""

    def power_off(self, spec: MachineSpec) -> None:
        """Take the power away: no shutdown, and no packet that says goodbye."""

    def power_on(self, spec: MachineSpec) -> None:
        """Start a machine that is off, with what its disk held."""

    def cut(self, spec: MachineSpec) -> None:
        """Take the private and the public network away; the control network stays."""

    def heal(self, spec: MachineSpec) -> None:
        """Give both networks back."""

    def pause(self, spec: MachineSpec) -> None:
        """Stop the machine where it stands: it answers nothing and does not know it."""

    def resume(self, spec: MachineSpec) -> None:
        """Let a paused machine go on; nothing happens to one that runs."""

    def ports(self, spec: MachineSpec) -> dict[str, str]:
        """The machine's ports on the lab's bridges, by the bridge's name; {} while it is off."""

    def state(self, spec: MachineSpec) -> State:
        """Whether the machine has power."""
