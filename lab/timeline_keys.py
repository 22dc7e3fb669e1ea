"""Follows etcd's keys on every member at once, so that a change is seen when the first of them tells it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import requests

from lab.etcd import PORT
from lab.running import Lab
from lab.timeline import Event, Kind

PREFIXES = ("/", "/_coreos.com/fleet/")  # a watch of / sees no hidden keys
CONNECT_WITHIN = 2.0
QUIET = 20.0  # seconds after which a watch is begun anew: its connection may be dead
AGAIN = 0.1  # seconds to wait for a member that does not answer


class Keys:
    """`with Keys(lab) as keys:` collects events until the block is left."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._seen: dict[tuple[str, int], Event] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(address, prefix), name=f"keys {address}", daemon=True)
            for address in lab.etcd.addresses.values()
            for prefix in PREFIXES
        ]

    def __enter__(self) -> Keys:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()  # a thread in a quiet watch ends with it; nobody waits for that

    def events(self) -> list[Event]:
        return list(self._seen.values())

    def _follow(self, address: str, prefix: str) -> None:
        index = 0
        url = f"http://{address}:{PORT}/v2/keys{prefix}"
        with self._lab.http() as session:
            while not self._stop.is_set():
                try:
                    index = self._look(session, url, index)
                except (requests.RequestException, ValueError, KeyError):
                    self._stop.wait(AGAIN)

    def _look(self, session: requests.Session, url: str, index: int) -> int:
        """Wait for one change after `index`, keep it, and return the next index to wait for."""
        if index == 0:
            answer = session.get(url, timeout=CONNECT_WITHIN)
            return int(answer.headers["X-Etcd-Index"]) + 1
        query: dict[str, str | int] = {"wait": "true", "recursive": "true", "waitIndex": index}
        answer = session.get(url, params=query, timeout=(CONNECT_WITHIN, QUIET))
        now = time.monotonic()
        document = answer.json()
        if document.get("errorCode") == 401:  # more has changed meanwhile than etcd remembers
            return 0
        modified = int(document["node"]["modifiedIndex"])
        event = event_of(document, now)
        if event is not None and not self._stop.is_set():
            key = (event.lane, modified)
            with contextlib.suppress(KeyError):
                if self._seen[key].at <= now:
                    return modified + 1
            self._seen[key] = event
        return modified + 1


def event_of(change: Mapping[str, Any], at: float) -> Event | None:
    """The event of one change as etcd tells it; None for fleet's own housekeeping.

    `what` is set, refreshed (the same value again), expired or deleted.
    """
    name = str(change["node"]["key"])
    before, value = change.get("prevNode", {}).get("value"), change["node"].get("value", "")
    action = str(change["action"])
    gone = {"expire": "expired", "delete": "deleted", "compareAndDelete": "deleted"}
    what = gone.get(action) or ("refreshed" if before == value and before is not None else "set")
    parts = name.strip("/").split("/")
    kind: Kind = "key"
    lane = name
    if parts[:2] == ["_coreos.com", "fleet"]:
        if what == "refreshed":
            return None
        told = _fleet_key(parts[2:])
        if told is None:
            return None
        kind, lane = told
    data = {"value": str(value)[:200], "ttl": change["node"].get("ttl"), "key": name}
    return Event(at, kind, lane, what, f"{name} {what}" + (f": {value}"[:120] if value else ""), "", data)


def _fleet_key(parts: Sequence[str]) -> tuple[Kind, str] | None:
    """What a key of fleet is about: a machine in its list, or where a unit is to run."""
    if parts[:1] == ["machines"] and len(parts) >= 2:
        return "machine", parts[1]
    if parts[:1] == ["job"] and len(parts) == 3 and parts[2] == "target":
        return "target", parts[1]
    return None
