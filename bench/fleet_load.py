"""What many units cost: their start, a list of them, and fleetd's and etcd's work when nothing happens."""

from __future__ import annotations

import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from lab.running import Lab
from lab.waiting import eventually

TEMPLATE = "load@.service"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
LISTS = 5
STEADY = 24.0  # seconds over which fleetd's work is counted: each key is refreshed once
WITHIN = 180.0
LIST_AIM = 1.0  # seconds
CPU_AIM = 2.0  # percent of a core


@dataclass(frozen=True)
class Load:
    """So many units on three machines: seconds, percent of a core by machine, requests a second."""

    units: int
    load: float  # the host's, over a minute
    start: float
    lists: list[float]
    cpu: list[float]
    requests: float

    @property
    def met(self) -> bool:
        return max(self.lists) < LIST_AIM and max(self.cpu) < CPU_AIM


def measure(lab: Lab, units: int) -> Load:
    """Start so many units, look at the cluster at rest, and destroy them."""
    node = lab.any_node()
    node.put(UNIT, f"/home/core/{TEMPLATE}")
    began = time.monotonic()
    node.run(f"fleetctl start --no-block $(seq -f load@%g.service {units}) >/dev/null", timeout=WITHIN)
    eventually(lambda: running(lab) == units, WITHIN, f"{units} units run")
    start = time.monotonic() - began
    lists = [float(node.output(f"bash -c '{TIMED}' 2>&1")) for _ in range(LISTS)]
    threading.Event().wait(5.0)  # what the start left behind is not the state of rest
    load = os.getloadavg()[0]
    before, asked, since = processor(lab), received(lab), time.monotonic()
    threading.Event().wait(STEADY)
    after, asked_after, took = processor(lab), received(lab), time.monotonic() - since
    cpu = [round(100 * (after[name] - before[name]) / took, 2) for name in sorted(before)]
    node.run("fleetctl destroy 'load@*' >/dev/null", timeout=WITHIN)
    eventually(lambda: running(lab) == 0, WITHIN, "no unit runs")
    found = Load(units, load, round(start, 2), lists, cpu, round((asked_after - asked) / took, 1))
    print(found, file=sys.stderr, flush=True)
    return found


TIMED = "TIMEFORMAT=%R; time fleetctl list-units >/dev/null"


def running(lab: Lab) -> int:
    """How many units run; each counts once, although a list made of pages may show one twice."""
    listed = lab.fleet.ctl("list-units", "--no-legend", "--fields=unit,sub").stdout
    return len({row for row in listed.splitlines() if row.split()[1] == "running"})


def processor(lab: Lab) -> dict[str, float]:
    """Seconds of processor that fleetd has had on each machine."""
    line = "cat /proc/$(systemctl show --value -p MainPID fleet)/stat; getconf CLK_TCK"

    def one(name: str) -> float:
        stat, ticks = lab[name].output(line).splitlines()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / int(ticks)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(lab.specs, pool.map(one, lab.specs), strict=True))


def received(lab: Lab) -> float:
    """Requests of clients that the members of etcd have had since they started, watches included."""
    total = 0.0
    with lab.http() as session:
        for address in lab.etcd.addresses.values():
            total += requests_in(answer(session, f"http://{address}:2379/metrics"))
    return total


def answer(session: requests.Session, url: str) -> str:
    asked = session.get(url, timeout=5)
    asked.raise_for_status()
    return asked.text


def requests_in(metrics: str) -> float:
    """The sum of etcd's counter of v2 requests, over methods."""
    found = re.findall(r"^etcd_http_received_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    if not found:
        raise ValueError("etcd's metrics have no etcd_http_received_total")
    return sum(map(float, found))


def table(loads: Iterable[Load]) -> list[str]:
    rows = [
        "| units | start of all | list-units, median / max | fleetd, percent of a core, by machine "
        "| requests to etcd a second | aims |",
        "|---|---|---|---|---|---|",
    ]
    for each in loads:
        lists = f"{statistics.median(each.lists):.2f} / {max(each.lists):.2f} s"
        cpu = ", ".join(f"{share:g}" for share in each.cpu)
        met = "met" if each.met else "MISSED"
        rows.append(f"| {each.units} | {each.start:g} s | {lists} | {cpu} | {each.requests:g} | {met} |")
    return rows
