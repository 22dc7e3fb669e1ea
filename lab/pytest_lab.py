"""The lab of one pytest run: made with its first use, freshened between modules, removed at the end."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import sys
from pathlib import Path

from lab import connection, evidence, lifecycle, store
from lab.errors import UserError
from lab.preflight import require_host
from lab.progress import Progress
from lab.running import Lab
from lab.topology import Topology, load, parse

MARK = "pytest"  # a file in the folder of a lab that a run made and will remove


class Session:
    """`lab` is None until `up`, and again after `down`; `used` says whether a test may have changed it."""

    def __init__(
        self,
        topology: Path | None,
        checkout: Path,
        *,
        name: str = "",
        provider: str = "",
        keep: bool = False,
        quiet: bool = False,
    ) -> None:
        # The same name at every run of a checkout, so that a run finds what a killed one has left.
        self.name = name or f"pytest-{hashlib.sha1(str(checkout).encode()).hexdigest()[:6]}"
        self.lab: Lab | None = None
        self.used = False
        self.chosen = ""  # provider and reason, once known
        self._file = topology or checkout / "lab.yaml"
        self._asked = topology is not None
        self._provider = provider
        self._keep = keep
        self._quiet = quiet
        self._borrowed = False
        self._locked = contextlib.ExitStack()

    def describe(self) -> str:
        """A line for the reader: which lab, on which provider. Raises UserError if the host is not fit."""
        topology = self._topology()
        record = self._found()
        if record is not None:
            return f"lab {self.name!r}, which is up: provider {record.provider} ({record.reason})"
        wanted = self._provider or topology.provider
        require_host(wanted)
        how = "provider to be chosen once there is a kernel to try KVM with" if wanted == "auto" else wanted
        return f"lab {self.name!r}: {len(topology.machines)} machines, {how}"

    def up(self) -> Lab:
        """The lab that is up under this name, or a new one."""
        progress = self._progress()
        self._lock()
        record = self._found()
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
            self.lab = lifecycle.up(self._topology(), progress, provider=self._provider)
            (self.lab.folder / MARK).touch()
        self.chosen = f"{self.lab.record.provider} ({self.lab.record.reason})"
        connection.configure(self.lab.record)
        return self.lab

    def refresh(self) -> None:
        """Give the machines back the state of their first boot, if anything may have changed it."""
        if self.lab is None or not self.used:
            return
        connection.close(self.name, *self.lab.specs)
        lifecycle.reset(self.name, self._progress())
        for node in self.lab:
            node.disconnect()
        self.used = False

    def down(self) -> None:
        """Remove the lab, unless it is somebody's or to be kept."""
        self._locked, locked = contextlib.ExitStack(), self._locked
        with locked:
            if self.lab is None:
                return
            self.lab = None
            if self._borrowed:
                return
            if self._keep:
                (store.folder(self.name) / MARK).unlink(missing_ok=True)
                self._progress().note(
                    f"lab {self.name!r} is still up: `lab --lab {self.name} ssh coreos-1` gets in, "
                    f"--lab-name={self.name} tests on it, `lab --lab {self.name} down` removes it"
                )
                return
            lifecycle.down(self.name, self._progress())

    def collect_evidence(self, test: str) -> str:
        """Collect a bundle for a test that failed; says where it is."""
        assert self.lab is not None
        with self._progress().step("collecting evidence"):
            folder = evidence.collect(self.lab, evidence.place(test))
        return f"journals, consoles, etcd's keys, units and containers are in {folder}"

    def _found(self) -> store.Record | None:
        """The lab of this name if it is up and not one that a killed run has left."""
        record = store.read(self.name)
        if record is None or record.stage != "up" or (store.folder(self.name) / MARK).exists():
            return None
        return record

    def _topology(self) -> Topology:
        there = self._asked or self._file.exists()
        topology = load(self._file) if there else parse("", self._file.name)
        document = {**topology.model_dump(mode="json"), "name": self.name}
        return parse(json.dumps(document), "--lab-name")

    def _lock(self) -> None:
        """Keep a second run of this checkout from taking this one's lab for one that was left behind."""
        folder = store.home() / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        file = self._locked.enter_context((folder / f"{self.name}.{MARK}").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another pytest run is using lab {self.name!r}; wait for it, or give --lab-name=OTHER"
            ) from None

    def _progress(self) -> Progress:
        return Progress("quiet" if self._quiet else None, sys.stderr)
