"""What a lab leaves on disk about itself: where its folder is, what it is made of, how far it has come."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from lab.errors import UserError
from lab.suggest import did_you_mean
from lab.topology import Topology

Stage = Literal["making", "up", "going"]
DEFAULT_HOME = "/var/lib/discovery-lab"


def home() -> Path:
    """Where boxes and labs are kept: LAB_HOME, or a folder of the system."""
    return Path(os.environ.get("LAB_HOME") or DEFAULT_HOME).resolve()


def labs() -> list[str]:
    """The labs that have a folder, whatever state they are in."""
    folder = home() / "labs"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def folder(name: str) -> Path:
    return home() / "labs" / name


@dataclass(frozen=True)
class Record:
    """lab.json: `stage` is how far the lab has come, `box` the key of the box it runs.

    `first` names the machines that it was made with, and has again after a reset; `machines` those that it
    has now. Both are the topology's own unless they are given.
    """

    name: str
    stage: Stage
    provider: str
    reason: str
    kvm: bool
    box: str
    topology: Topology
    first: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", tuple(self.first) or self.topology.autostarted())
        object.__setattr__(self, "machines", tuple(self.machines) or self.first)

    def save(self) -> None:
        document = {**asdict(self), "topology": self.topology.model_dump(mode="json")}
        place = folder(self.name) / "lab.json"
        part = place.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1))
        part.replace(place)


def read(name: str) -> Record | None:
    """The record of a lab, or None if it has none (never made, or killed before it was written)."""
    try:
        document = json.loads((folder(name) / "lab.json").read_text())
        topology = Topology.model_validate(document.pop("topology"))
        return Record(topology=topology, **document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def require(name: str) -> Record:
    """The record of a lab that is up; UserError that says what to do otherwise."""
    record = read(name)
    if record is None:
        others = [other for other in labs() if other != name]
        hint = did_you_mean(name, others) if others else ""
        raise UserError(f"no lab {name!r} is up{hint}; `lab up` makes one")
    if record.stage != "up":
        raise UserError(f"lab {name!r} is half made (its harness was ended); `lab up` makes it anew")
    return record


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lab for a change; UserError if somebody else is changing it just now."""
    with hold(name, f"lab {name!r} is being changed by another `lab`; try again when that is done"):
        yield


@contextlib.contextmanager
def hold(what: str, busy: str) -> Iterator[None]:
    """Hold the lock of this name; UserError that says `busy` if another process holds it."""
    places = home() / "locks"
    places.mkdir(parents=True, exist_ok=True)
    with (places / what).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(busy) from None
        yield
