"""Writes down which faults are in place, for whoever must heal them, and when each came and went."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.roles import Target
from lab.running import Lab

LOG = "log.jsonl"


@dataclass(frozen=True)
class Entry:
    """A fault that was begun and has not been healed; `mark` names it."""

    mark: str
    kind: str
    target: Target


@dataclass(frozen=True)
class Moment:
    """Something about a fault at a time on the monotonic clock: `event` is inject, heal or healed.

    `target` is in words, `machines` are those in it.
    """

    at: float
    event: str
    kind: str
    target: str
    mark: str
    amount: str = ""

    @property
    def machines(self) -> list[str]:
        return self.target.partition(":")[0].split(",")


def begin(lab: Lab, kind: str, target: Target, amount: str = "") -> str:
    """Write a fault down before it is made; returns its mark."""
    mark = f"{time.monotonic_ns()}-{os.getpid()}"
    entry = {"kind": kind, "machines": target.machines, "what": target.what, "amount": amount}
    place = _folder(lab) / f"{mark}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(entry))
    note(lab, "inject", mark)
    return mark


def note(lab: Lab, event: str, mark: str) -> None:
    """Add a moment to the log; nothing of a fault that somebody else has healed meanwhile."""
    try:
        entry = json.loads((_folder(lab) / f"{mark}.json").read_text())
    except FileNotFoundError:
        return
    target = str(Target(tuple(entry["machines"]), entry["what"]))
    moment = Moment(time.monotonic(), event, entry["kind"], target, mark, entry["amount"])
    with (_folder(lab) / LOG).open("a") as log:
        log.write(json.dumps(asdict(moment)) + "\n")


def end(lab: Lab, mark: str) -> None:
    """The fault has been healed."""
    note(lab, "healed", mark)
    (_folder(lab) / f"{mark}.json").unlink(missing_ok=True)


def stands(lab: Lab, mark: str) -> bool:
    """Whether a fault has not been healed yet."""
    return (_folder(lab) / f"{mark}.json").exists()


def standing(lab: Lab) -> list[Entry]:
    """The faults that nobody has healed yet, the latest first: they are undone in that order."""
    found = []
    for file in sorted(_folder(lab).glob("*.json"), reverse=True):
        try:
            entry = json.loads(file.read_text())
        except (OSError, ValueError):  # healed meanwhile, or its writer was killed while it wrote
            continue
        found.append(Entry(file.stem, entry["kind"], Target(tuple(entry["machines"]), entry["what"])))
    return found


def moments(lab: Lab, since: float = 0.0) -> list[Moment]:
    """What happened to this lab's faults after a moment of the monotonic clock, in order."""
    try:
        lines = (_folder(lab) / LOG).read_text().splitlines()
    except FileNotFoundError:
        return []
    found = [Moment(**json.loads(line)) for line in lines if line.endswith("}")]
    return [moment for moment in found if moment.at >= since]


def forget(lab: Lab) -> None:
    """Drop every entry: the machines have been made anew. The log stays."""
    for file in _folder(lab).glob("*.json"):
        file.unlink(missing_ok=True)


def _folder(lab: Lab) -> Path:
    return lab.folder / "faults"
