"""All resources: once, at intervals, or whenever the backend changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from confd import resource as resources
from confd.apply import Applier
from confd.backend import Backend, Reading, Unread
from confd.log import Log
from confd.problem import Fatal, Problem
from confd.resource import Resource
from confd.settings import Settings

WATCH_RETRY = 2.0  # seconds after an error of the backend while watching, as in the original
INTERVAL_MIN = 0.1  # seconds: `-interval 0` would take a whole processor


class Processor:
    """Processes the resources below confdir."""

    def __init__(self, settings: Settings, backend: Backend, log: Log) -> None:
        self._settings = settings
        self._backend = backend
        self._log = log
        self._applier = Applier(settings, log)
        self._warned: set[str] = set()

    def once(self) -> None:
        """One pass over all resources. Raises Fatal with the last error if there was one."""
        last: Problem | None = None
        for resource in self._load():
            last = self._process(resource) or last
        if last is not None:
            raise Fatal(str(last))

    def at_intervals(self) -> None:
        """Pass after pass, the resources read anew each time. Raises Fatal when one cannot be read."""
        pause = threading.Event()
        while True:
            for resource in self._load():
                self._process(resource)
            pause.wait(min(max(self._settings.interval, INTERVAL_MIN), threading.TIMEOUT_MAX))

    def watch(self) -> None:
        """Follow each resource's keys in a thread of its own; returns only if there is no resource."""
        threads = [
            threading.Thread(target=self._follow, args=(resource,), daemon=True, name=resource.path)
            for resource in self._load()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def abandon(self) -> None:
        """Leave no staged file behind: the program ends now."""
        self._applier.abandon()

    def _load(self) -> list[Resource]:
        settings, log = self._settings, self._log
        log.debug(f"Loading template resources from confdir {settings.confdir}")
        if not os.path.exists(settings.confdir):
            log.warning(f"Cannot load template resources: confdir '{settings.confdir}' does not exist")
            return []
        try:
            paths = resources.find(settings.resource_folder, "*toml")
        except Problem as error:
            raise Fatal(str(error)) from None
        if not paths:
            log.warning("Found no templates")
        loaded: list[Resource] = []
        problems: list[Problem] = []
        for path in paths:
            log.debug(f"Found template: {path}")
            log.debug(f"Loading template resource from {path}")
            try:
                resource, warnings = resources.read(path, settings)
            except Problem as error:
                problems.append(error)
                continue
            loaded.append(resource)
            self._warn(warnings)
        for problem in problems[:-1]:
            log.error(str(problem))
        if problems:
            raise Fatal(str(problems[-1]))
        return loaded

    def _warn(self, warnings: list[str]) -> None:
        for warning in warnings:
            if warning not in self._warned:  # once, although the file is read at every interval
                self._log.warning(warning)
                self._warned.add(warning)

    def _process(self, resource: Resource) -> Problem | None:
        try:
            self._apply(resource, self._read(resource))
        except Problem as error:
            self._log.error(str(error))
            return error
        return None

    def _follow(self, resource: Resource) -> None:
        pause = threading.Event()
        while True:
            index: int | None = None
            try:
                reading = self._read(resource)
                index = reading.index
                self._apply(resource, reading)
            except Unread as error:
                index = error.index
                self._log.error(str(error))
            except Problem as error:
                self._log.error(str(error))
            try:
                if index is None:
                    pause.wait(WATCH_RETRY)
                elif resource.keys:
                    self._backend.wait(resource.keys, index)
                else:
                    pause.wait()
            except Exception as error:
                self._log.error(str(error) if isinstance(error, Unread) else internal(error))
                pause.wait(WATCH_RETRY)

    def _read(self, resource: Resource) -> Reading:
        self._log.debug("Retrieving keys from store")
        self._log.debug(f"Key prefix set to {resource.prefix}")
        reading = self._backend.read(resource.keys)
        if self._log.shows_debug:
            shown = " ".join(f"{key}:{value}" for key, value in sorted(reading.values.items()))
            self._log.debug(f"Got the following map from store: map[{shown}]")
        return reading

    def _apply(self, resource: Resource, reading: Reading) -> None:
        try:
            self._applier.apply(resource, reading.values)
        except Problem:
            raise
        except Exception as error:  # a mistake of ours must not end a daemon that keeps others in sync
            raise Problem(f"{resource.path}: {internal(error)}") from error


def internal(error: Exception) -> str:
    """The one line for a mistake of ours."""
    return f"internal error: {type(error).__name__}: {error}"


def run_in_background(work: Callable[[], None], endings: SimpleQueue[Fatal | int | None]) -> None:
    """Do the work in a thread; put into `endings` what ended it: None, or Fatal."""

    def go() -> None:
        try:
            work()
        except Fatal as error:
            endings.put(error)
        except Exception as error:
            endings.put(Fatal(internal(error)))
        else:
            endings.put(None)

    threading.Thread(target=go, daemon=True, name="processor").start()
