"""Keeps measurements: a folder a run below LAB_HOME/runs, a file a measurement, `latest` for the last run."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import store
from lab.breakdown import Share
from lab.errors import UserError
from lab.measurement import Budget, Measurement
from lab.processors import Load
from lab.samples import Outage, Sample
from lab.suggest import did_you_mean
from lab.timeline import Event

LATEST = "latest"
PRECISION = 4  # decimal places of seconds: a tenth of a millisecond


@dataclass(frozen=True)
class Run:
    """A run that was kept: its name is the time it began at. Or several of them together."""

    name: str
    folder: Path
    measurements: Sequence[Measurement]
    count: int = 1

    @property
    def title(self) -> str:
        return f"run {self.name}" if self.count == 1 else f"runs {self.name}"


def home() -> Path:
    return store.home() / "runs"


def unused(now: float | None = None) -> str:
    """A name that no run has: the time at which it begins."""
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(now))
    name, count = stamp, 1
    while (home() / name).exists():
        count += 1
        name = f"{stamp}_{count}"
    return name


def begin(name: str = "", now: float | None = None) -> Path:
    """Make a run's folder, and let `latest` lead there; of one that others have begun, if `name` says so."""
    folder = home() / (name or unused(now))
    folder.mkdir(parents=True, exist_ok=bool(name))
    link = home() / f".{LATEST}-{folder.name}-{os.getpid()}"
    link.symlink_to(folder.name)
    link.replace(home() / LATEST)
    return folder


def save(folder: Path, measurement: Measurement) -> Path:
    """Write a measurement into a run's folder, before anybody judges it; returns its file."""
    number = len(_files(folder)) + 1
    file = folder / f"{number:03}-{_called(measurement)}.json"
    document = asdict(measurement)
    for field in ("samples", "kept_samples"):
        document[field] = [
            [round(one.start, PRECISION + 1), round(one.duration, PRECISION + 1), one.kind, one.backend]
            for one in getattr(measurement, field)
        ]
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document))
    part.replace(file)
    return file


def load(file: Path) -> Measurement:
    """A measurement that `save` has written. Raises UserError if it cannot be read."""
    try:
        return _read(json.loads(file.read_text()))
    except OSError as problem:
        raise UserError(f"{file}: cannot be read ({problem.strerror})") from None
    except (ValueError, KeyError, TypeError) as problem:  # a host that went down, or another version's
        raise UserError(f"{file}: no measurement that this version of lab reads ({problem})") from None


def _called(measurement: Measurement) -> str:
    """What a measurement's file is called, after its number."""
    return re.sub(r"[^a-z0-9.-]+", "-", measurement.name.lower()).strip("-")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.json"))


def _read(document: dict[str, Any]) -> Measurement:
    document["budget"] = Budget(**document["budget"])
    for field in ("outages", "kept"):
        document[field] = [Outage(**one) for one in document[field]]
    for field in ("samples", "kept_samples"):
        document[field] = [Sample(*one) for one in document[field]]
    document["shares"] = [Share(**one) for one in document["shares"]]
    document["events"] = [Event(**one) for one in document["events"]]
    if load := document.get("load"):
        document["load"] = Load(**load)
    return Measurement(**document)


def names() -> list[str]:
    """The runs that are kept, the oldest first."""
    if not home().is_dir():
        return []
    return sorted(entry.name for entry in home().iterdir() if entry.is_dir() and not entry.is_symlink())


def open_run(name: str = "") -> Run:
    """A run by its name, or the latest. Raises UserError if there is none, or if it cannot be read."""
    known = names()
    if not known:
        raise UserError(f"no run is kept in {home()}; `sudo ./run failover` makes one")
    if name in ("", LATEST):
        # whoever has removed that run means the one before it
        name = (home() / LATEST).resolve().name
        name = name if name in known else known[-1]
    if name not in known:
        raise UserError(f"no run {name!r}{did_you_mean(name, known)}")
    folder = home() / name
    return Run(name, folder, [load(file) for file in _files(folder)])


def last(count: int) -> list[Run]:
    """The last runs that have measured anything, the oldest first. Raises UserError if there is none."""
    found: list[Run] = []
    for name in reversed(names()):
        run = open_run(name)
        if any(measured.samples for measured in run.measurements):
            found.insert(0, run)
        if len(found) == count:
            break
    return found or [open_run()]


def earlier(like: Run, most: int, unread: list[str]) -> Iterator[Run]:
    """What is in `like`, as the last `most` runs that made each fault of each stack have measured it.

    The oldest run is first, and they come one at a time, as a run has some 60 MB. The names of those that
    cannot be read are added to `unread`.
    """
    counts = dict.fromkeys((_called(measured) for measured in like.measurements), 0)
    found: list[tuple[str, list[Path]]] = []
    for name in reversed(names()):
        of_run: dict[str, list[Path]] = {}
        for file in _files(home() / name):
            of_run.setdefault(file.stem.partition("-")[2], []).append(file)
        wanted = [cell for cell in of_run if counts.get(cell, most) < most]
        for cell in wanted:
            counts[cell] += 1
        if wanted:
            found.insert(0, (name, sorted(file for cell in wanted for file in of_run[cell])))
    for name, files in found:
        try:
            yield Run(name, home() / name, [load(file) for file in files])
        except UserError:
            unread.append(name)


def together(several: Sequence[Run]) -> Run:
    """Runs as if they were one."""
    called = [run.name for run in several]
    name = ", ".join(called) if len(several) < 4 else f"{called[0]} to {called[-1]}, {len(several)} in all"
    return Run(name, several[-1].folder, [one for run in several for one in run.measurements], len(several))
