"""The labs of one pytest run, one after the other: made with the first use of a topology, freshened between
modules, removed when a test needs another topology, or at the end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import connection, evidence, lifecycle, store
from lab.errors import MachineError, UserError
from lab.preflight import require_host
from lab.progress import Progress, counted
from lab.running import Lab
from lab.topology import LAB_NAME_LIMIT, Topology, load, parse

TOPOLOGY = "lab.yaml"
MARK = "pytest"  # a file in the folder of a lab that a run made and will remove


class Session:
    """`lab` is None until `up`, and again after `down`; `used` says whether a test may have changed it.

    `users` are the test modules that have had the machines since they were fresh.

    `asked` is the one topology file for all tests, if the user wants one; else each test has the nearest.
    `worker` names one of several processes that run tests side by side: its labs are called after it.
    """

    def __init__(
        self,
        asked: Path | None,
        checkout: Path,
        *,
        name: str = "",
        worker: str = "",
        provider: str = "",
        keep: bool = False,
        quiet: bool = False,
    ) -> None:
        # The same name at every run of a checkout, so that a run finds what a killed one has left.
        self.base = name or f"pytest-{hashlib.sha1(str(checkout).encode()).hexdigest()[:6]}"
        if worker:
            self.base = f"{self.base[: LAB_NAME_LIMIT - 1 - len(worker)]}-{worker}"
        self.name = self.base  # of the lab that is up
        self.lab: Lab | None = None
        self.used = False
        self.users: set[Path] = set()
        self.chosen = ""  # provider and reason, once known
        self._asked = asked
        self._checkout = checkout
        self._failures: dict[Path, Exception] = {}
        self._provider = provider
        self._keep = keep
        self._quiet = quiet
        self._worker = worker
        self._file = checkout / TOPOLOGY  # of the lab that is up
        self._borrowed = False
        self._locked = contextlib.ExitStack()

    def file_for(self, test: Path) -> Path:
        """The topology file of a test: the nearest lab.yaml at or above it, unless the user wants another."""
        if self._asked is not None:
            return self._asked
        folders = [test, *test.parents]
        if self._checkout in folders:
            for folder in folders[: folders.index(self._checkout)]:
                if (folder / TOPOLOGY).is_file():
                    return (folder / TOPOLOGY).resolve()  # one that is linked to is the same lab
        return self._checkout / TOPOLOGY

    def describe(self, file: Path) -> str:
        """A line for the reader: which lab, on which provider. Raises UserError if the host is not fit."""
        topology, record = self._choose(file)
        if record is not None:
            return f"lab {topology.name!r}, which is up: provider {record.provider} ({record.reason})"
        wanted = self._provider or topology.provider
        require_host(wanted)
        how = "provider to be chosen once there is a kernel to try KVM with" if wanted == "auto" else wanted
        return f"lab {topology.name!r}: {counted(len(topology.autostarted()), 'machine')}, {how}"

    def up(self, file: Path) -> Lab:
        """The lab of this topology: the one in use, one that is up under this name, or a new one.

        Raises what its start raised; a lab that has failed to come up is not tried again.
        """
        if self.lab is not None and file == self._file:
            return self.lab
        if file in self._failures:
            raise self._failures[file]
        self.down()
        try:
            return self._start(file)
        except (UserError, MachineError) as problem:
            self._failures[file] = problem
            raise

    def _start(self, file: Path) -> Lab:
        progress = self._progress()
        topology, record = self._choose(file)
        self.name, self._file = topology.name, file
        self._borrowed = False
        self.users.clear()
        self._lock()
        if record is not None:
            if self._provider not in ("", "auto", record.provider):
                raise UserError(
                    f"lab {self.name!r} is up with {record.provider}, not {self._provider}; "
                    f"`lab --lab {self.name} down` removes it"
                )
            self._borrowed = self.used = True
            self.lab = lifecycle.open_lab(self.name, progress)
        else:
            if store.folder(self.name).exists():
                progress.note(f"an earlier run left lab {self.name!r}; removing it")
                lifecycle.down(self.name, progress)
            self.lab = lifecycle.up(topology, progress, provider=self._provider)
            self.used = False
            (self.lab.folder / MARK).touch()
        self.chosen = f"{self.lab.record.provider} ({self.lab.record.reason})"
        connection.configure(self.lab.record)
        return self.lab

    def refresh(self) -> None:
        """Give the machines back the state of their first boot, if anything may have changed it."""
        if self.lab is None or not self.used:
            return
        connection.close(self.name, *self.lab.specs)
        fresh = lifecycle.reset(self.name, self._progress())
        for node in self.lab:
            node.disconnect()
        self.lab.follow(fresh.record, fresh.specs.values())
        self.used = False
        self.users.clear()

    def down(self) -> None:
        """Remove the lab, unless it is somebody's or to be kept."""
        self._locked, locked = contextlib.ExitStack(), self._locked
        with locked:
            if self.lab is None:
                return
            lab, self.lab = self.lab, None
            machine = next(iter(lab.specs))
            standing = faults_in_place(lab)
            if standing and (self._borrowed or self._keep):
                self._progress().note(f"in place: {standing}; `lab --lab {self.name} heal` heals it")
            if self._borrowed:
                return
            if self._keep:
                (store.folder(self.name) / MARK).unlink(missing_ok=True)
                self._progress().note(
                    f"lab {self.name!r} is still up: `lab --lab {self.name} ssh {machine}` gets in, "
                    f"--lab-name={self.name} tests on it, `lab --lab {self.name} down` removes it"
                )
                return
            lifecycle.down(self.name, self._progress())

    def collect_evidence(self, test: str, extra: Mapping[str, Callable[[], str]]) -> str:
        """Collect a bundle for a test that failed, with files of its own; says where it is.

        And which faults have not been healed, or not yet. A disk that is full, or a folder that cannot be
        written, costs the bundle and no other test.
        """
        assert self.lab is not None
        try:
            with self._progress().step("collecting evidence"):
                folder = evidence.collect(self.lab, evidence.place(test), extra)
        except OSError as problem:
            said = f"evidence is not whole: {evidence.place(test)}: {problem.strerror}"
        else:
            more = "".join(f", {name}" for name in extra)
            said = f"journals, consoles, etcd's keys, units and containers{more} are in {folder}"
        standing = faults_in_place(self.lab)
        return f"{said}\nstill in place: {standing}" if standing else said

    def _choose(self, file: Path) -> tuple[Topology, store.Record | None]:
        """The topology with the name that its lab gets; and the lab's record, if somebody has it up.

        A lab of the wanted name that somebody has up with other machines is left alone: ours is then named
        after it.
        """
        topology = self._topology(file, self.base)
        record = _found(self.base)
        if record is None or _same(record, topology):
            return topology, record
        mark = hashlib.sha1(os.path.relpath(file, self._checkout).encode()).hexdigest()[:4]
        topology = self._topology(file, f"{self.base[: LAB_NAME_LIMIT - 5]}-{mark}")
        record = _found(topology.name)
        return topology, record if record is not None and _same(record, topology) else None

    def _topology(self, file: Path, name: str) -> Topology:
        topology = load(file) if self._asked or file.exists() else parse("", file.name)
        return parse(json.dumps({**topology.model_dump(mode="json"), "name": name}), "--lab-name")

    def _lock(self) -> None:
        """Keep a second run of this checkout from taking this one's lab for one that was left behind."""
        busy = f"another pytest run is using lab {self.name!r}; wait for it, or give --lab-name=OTHER"
        self._locked.enter_context(store.hold(f"{self.name}.{MARK}", busy))

    def _progress(self) -> Progress:
        return Progress("quiet" if self._quiet else None, sys.stderr, self._worker)


def faults_in_place(lab: Lab) -> str:
    """The faults that nobody has healed yet, in words; "" if there are none."""
    from lab.faults import ledger  # who makes no fault need not load what makes them

    return ", ".join(f"{entry.kind} of {entry.target}" for entry in ledger.standing(lab))


def _found(name: str) -> store.Record | None:
    """The lab of this name if it is up and not one that a killed run has left."""
    record = store.read(name)
    if record is None or record.stage != "up" or (store.folder(name) / MARK).exists():
        return None
    return record


def _same(record: store.Record, topology: Topology) -> bool:
    """Whether a lab is made as the topology says, and began with the machines that start by themselves."""
    alike = topology.model_copy(update={"name": record.name, "provider": record.topology.provider})
    return alike == record.topology and record.first == topology.autostarted()
