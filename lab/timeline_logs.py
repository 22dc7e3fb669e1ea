"""Reads what a machine keeps beside its journal as events: Docker's containers, and services of runit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone

from lab.etcd import moment
from lab.timeline import Event
from lab.timeline_journal import follows

# A proxy logs every request: what is of no use is left out where it is.
WORDS = " is (UP|DOWN)|has been updated|signal process started|reconfiguring|nginx-srv: |rundock: "
# One line a fact. Docker may hang as well, and a log may be long: each is bounded, in time, lines and width.
# A container that runs attached says all to whoever runs it, and is in the journal or in runit's log.
COMMAND = """\
since=@SINCE@
read -r up _ </proc/uptime; echo "now $(date +%s.%N) $up"
command -v docker >/dev/null && {
  timeout 10 docker events --since $since --until "$(date +%s.%N)" --filter type=container \\
    --filter event=start --filter event=die \\
    --format 'event {{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}'
  all=$(timeout 5 docker ps --all --quiet)
  states=$([ -z "$all" ] || timeout 10 docker inspect $all \\
    --format 'state {{.Name}} {{.State.StartedAt}} {{.State.FinishedAt}} {{.Config.AttachStdout}}')
  echo "$states"
  echo "$states" | while read -r _ name _ _ attached; do
    [ "$attached" = false ] || continue
    timeout 10 docker logs --timestamps --since $since "${name#/}" 2>&1 | grep -E '@WORDS@' |
      tail -n 2000 | cut -c -400 | sed "s|^|log ${name#/} |"
  done
}
find /var/log -mindepth 2 -maxdepth 2 '(' -name current -o -name '@*.[su]' ')' -newermt @$since |
while read -r file; do
  folder=${file%/*}
  timeout 5 grep -hE '@WORDS@' "$file" | tail -n 2000 | cut -c -400 | sed "s|^|runit ${folder##*/} |"
done
true
"""
WORDS_OF_DOCKER = {"start": "started", "die": "exited"}
SAME = 1.0  # seconds: Docker's event, the state that it keeps and runit tell of one end or start
TWICE = "[WARNING]"  # HAProxy says on its standard error what it also logs
ENDED = re.compile(r"rundock: \S+: the container ended with")
SERVERS = re.compile(r"nginx-srv: \S+: (?P<to>(?!left as it is).*)")  # it has been reloaded by then
Place = Callable[[float], float]  # from the machine's wall clock to the host's


def command(since: float) -> str:
    """What is run on a machine, as root; `since` is by its own clock."""
    return COMMAND.replace("@SINCE@", f"{since:.3f}").replace("@WORDS@", WORDS)


def read(lines: Iterable[str], machine: str, offset: float, before: float | None = None) -> list[Event]:
    """Events in what `command` has printed.

    `offset` turns this boot's time into the host's, and `before` that of the boot before. Lines that are no
    facts are left out: a log ends in the middle of a line when the power goes.
    """
    found: list[Event] = []
    states: list[Event] = []
    began = float("-inf")

    def place(told: float) -> float:
        return told + (offset if told >= began or before is None else before)

    for line in lines:
        kind, _, rest = line.partition(" ")
        try:
            if kind == "now":
                now, up = rest.split()
                began = float(now) - float(up)
            elif kind == "event":
                at, action, name = rest.split()
                found.append(_state(machine, name, WORDS_OF_DOCKER[action], place(int(at) / 1e9)))
            elif kind == "state":
                name, started, finished, _ = rest.split()
                for word, at in (("started", started), ("exited", finished)):
                    states.append(_state(machine, name.lstrip("/"), word, place(moment(at))))
            elif kind in ("log", "runit"):
                found += [event for event in _said(kind, rest, machine, place) if not _told(found, event)]
        except (ValueError, KeyError):
            continue
    return found + [state for state in states if not _told(found, state)]


def _state(machine: str, name: str, word: str, at: float) -> Event:
    return Event(
        at, "unit", lane(machine, name), word, f"the container {name} on {machine} has {word}", machine
    )


def lane(machine: str, name: str) -> str:
    """How events call a container or a service of runit: each machine may have one of that name."""
    return f"{machine}:{name}"


def _told(found: Sequence[Event], state: Event) -> bool:
    """Whether it is known already that the container or service has started or ended then."""
    return state.kind == "unit" and any(
        event.lane == state.lane and event.what == state.what and abs(event.at - state.at) < SAME
        for event in found
    )


def _said(kind: str, rest: str, machine: str, place: Place) -> list[Event]:
    """The event of one line of a log, if it tells of any."""
    name, stamp, message = rest.split(" ", 2)
    at = place(moment(stamp) if kind == "log" else _svlogd(stamp))
    who = lane(machine, name.removeprefix("docker-") if kind == "runit" else name)
    if ENDED.search(message):
        return [Event(at, "unit", who, "exited", message[:200], machine)]
    if match := SERVERS.search(message):
        return [Event(at, "proxy", who, "follows", message[:200], machine, {"to": match["to"]})]
    event = follows(message, who, machine, at)
    return [event] if event and not message.startswith(TWICE) else []


def _svlogd(stamp: str) -> float:
    """Seconds since 1970 of a stamp of `svlogd -tt`: 2026-11-20_16:41:18.51512, in UTC."""
    return datetime.strptime(stamp, "%Y-%m-%d_%H:%M:%S.%f").replace(tzinfo=timezone.utc).timestamp()
