"""Reads the journals of machines as events: boots, unit states, fleet's decisions, elections, proxies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.timeline import Event

# A proxy logs every request, and etcd much else: what is of no use is left out where it is.
WORDS = (
    '"SYSLOG_IDENTIFIER":"systemd"',
    "Reconciler",
    "cluster.s engine",
    "registered as",
    "took over the key",
    "heartbeat failed",
    "key is gone",
    "elected leader",
    "lost leader",
    "provider",
    " is (UP|DOWN)",
    "has been updated",
    "signal process started",
    "reconfiguring",
    "reload",
)
COMMAND = (
    "journalctl --output=json --no-pager --since=@{since:.3f} --output-fields="
    "MESSAGE,MESSAGE_ID,UNIT,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_BOOT_ID | grep -E '"
    + "|".join(WORDS)
    + "'; true"
)
# systemd's own marks (`journalctl --catalog`, systemd's sd-messages.h)
UNIT_STATES = {
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "be02cf6855d2428ba40df7e9d022f03d": "failed",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
    "98e322203f7a4ed290d09fe03c09fe15": "exited",
    "5eb03494b6584870a536b337290809b3": "restarting",
}
# What systemd runs besides what somebody asked for
OWN_UNITS = re.compile(
    r"^(systemd-|user|session-|run-|docker-|containerd|lab-|dbus|ssh|etcd-proxy|metadata)"
    r"|\.(mount|slice|target|scope|socket|path|device|timer)$"
)
ENGINE = re.compile(r"EngineReconciler (scheduled|unscheduled) Unit\((?P<unit>[^)]+)\)")
AGENT = re.compile(r"AgentReconciler (\w+) Unit\((?P<unit>[^)]+)\)")
FLEET = (
    (re.compile("leading the cluster's engine"), "leads"),
    (re.compile("registered as|took over the key"), "registered"),
    (re.compile("heartbeat failed"), "heartbeat failed"),
    (re.compile("machine's key is gone"), "key gone"),
)
ELECTED = re.compile(r"raft\.node: (\w+) elected leader (?P<leader>\w+) at term (?P<term>\d+)")
LOST = re.compile(r"raft\.node: (\w+) lost leader (?P<leader>\w+)")
# A proxy says that it sends requests elsewhere from now on
PROXIES = (
    re.compile(r": provider (?P<to>\S+)|: (?P<none>no provider)$"),  # the dynamic ambassador
    re.compile(r"Server (?P<server>\S+) is (?P<state>UP|DOWN)"),  # HAProxy
    re.compile(r"Target config (?P<file>\S+) has been updated"),  # confd
    re.compile(r"(?P<reload>signal process started|received.* reconfiguring)"),  # Nginx
)


def read(
    lines: Iterable[str],
    machine: str,
    to_host: Mapping[str, Callable[[float], float]],
    known_boots: Iterable[str] = (),
) -> list[Event]:
    """Events in a journal's JSON lines. `to_host` maps a boot's id to what turns its time into the host's.

    That is the time since the boot: a machine's wall clock may be set meanwhile. A boot that is not in
    `known_boots` begins in this journal. Entries of a boot that `to_host` does not know, and lines that are
    no entries, are left out.
    """
    found: list[Event] = []
    boots = set(known_boots)
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # cut short by a loss of power
            continue
        boot = str(entry.get("_BOOT_ID", ""))
        if boot not in to_host:
            continue
        at = to_host[boot](int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6)
        if boot not in boots:
            boots.add(boot)
            found.append(Event(at, "boot", machine, "boot", f"{machine} boots", machine, {"boot": boot}))
        event = classify(entry, machine, at)
        if event is not None:
            found.append(event)
    return found


def classify(entry: Mapping[str, Any], machine: str, at: float) -> Event | None:
    """The event that an entry tells of, None for the many that tell of none."""
    message = entry.get("MESSAGE")
    if not isinstance(message, str):  # bytes that are no text come as a list of numbers
        return None
    unit = str(entry.get("_SYSTEMD_UNIT", ""))
    if entry.get("SYSLOG_IDENTIFIER") == "systemd":
        return _state(entry, message, machine, at)
    if unit == "fleet.service":
        return _fleet(message, machine, at)
    if unit == "etcd.service":
        return _election(message, machine, at)
    return follows(message, unit, machine, at)


def follows(message: str, lane: str, machine: str, at: float) -> Event | None:
    """The event that a proxy sends requests elsewhere from now on, if a message says so."""
    for pattern in PROXIES:
        if match := pattern.search(message):
            said = {name: value for name, value in match.groupdict().items() if value}
            return Event(at, "proxy", lane, "follows", message[:200], machine, said)
    return None


def _state(entry: Mapping[str, Any], message: str, machine: str, at: float) -> Event | None:
    unit = str(entry.get("UNIT", ""))
    state = UNIT_STATES.get(str(entry.get("MESSAGE_ID", "")))
    if state is None or not unit or OWN_UNITS.search(unit):
        return None
    return Event(at, "unit", unit, state, message[:200], machine)


def _fleet(message: str, machine: str, at: float) -> Event | None:
    if match := ENGINE.search(message) or AGENT.search(message):
        return Event(at, "fleet", match["unit"], match[1], message[:200], machine)
    for pattern, word in FLEET:
        if pattern.search(message):
            return Event(at, "fleet", machine, word, message[:200], machine)
    return None


def _election(message: str, machine: str, at: float) -> Event | None:
    if match := ELECTED.search(message):
        data = {"leader": match["leader"], "term": int(match["term"]), "self": match[1] == match["leader"]}
        return Event(
            at, "leader", machine, "elected", f"{machine} sees a leader, term {match['term']}", machine, data
        )
    if match := LOST.search(message):
        return Event(
            at, "leader", machine, "lost", f"{machine} has no leader", machine, {"leader": match["leader"]}
        )
    return None
