"""What a backend is to confd, and how the one that the settings name is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from confd import resolver
from confd.log import Log
from confd.problem import Fatal, Problem
from confd.settings import Settings, nodes


@dataclass(frozen=True)
class Reading:
    """Values by whole key, and the backend's index at that moment: a watch goes on from there."""

    values: Mapping[str, str] = field(default_factory=dict)
    index: int = 0


class Unread(Problem):
    """The backend could not be read; `index` is where a watch may go on, or None if it was not reached."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class Backend(Protocol):
    """Where values come from."""

    def read(self, keys: Sequence[str]) -> Reading:
        """All values at and below the keys. Raises Unread."""

    def wait(self, keys: Sequence[str], index: int) -> None:
        """Return when something at or below the keys may have changed since `index`. Raises Unread."""


def open_backend(settings: Settings, log: Log) -> Backend:
    """The backend; says where it reads from. Raises Fatal."""
    places = nodes(settings, os.environ)
    log.info(f"Backend source(s) set to {', '.join(settings.file if settings.backend == 'file' else places)}")
    if settings.backend == "etcd":
        from confd.backend_etcd import EtcdBackend

        return EtcdBackend(places, settings)
    if settings.backend == "env":
        from confd.backend_env import EnvironmentBackend

        return EnvironmentBackend()
    if settings.backend == "file":
        from confd.backend_file import FileBackend

        return FileBackend(settings)
    raise Fatal("Invalid backend")


def nodes_from_srv(settings: Settings, log: Log) -> tuple[str, ...]:
    """The nodes that the settings' SRV record names, whole URLs for etcd. Raises Fatal."""
    log.info(f"SRV record set to {settings.srv_record}")
    try:
        found = resolver.services(settings.srv_record)
    except resolver.NoAnswer as error:
        raise Fatal(f"Cannot get nodes from SRV records {error}") from None
    places = [f"{each.target.rstrip('.')}:{each.port}" for each in found]
    return tuple(f"{settings.scheme}://{each}" if settings.backend == "etcd" else each for each in places)
