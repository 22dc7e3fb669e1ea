"""How fast fleet is on the lab's machines: failover, and what many units cost.

Usage: python bench/fleet.py [failover] [load] [--ttl 3s]... [--runs N] [--seed N] [--json]. Each makes a lab
of its own. Exit code 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder, whose `lab.py` would hide the package

from bench import fleet_failover, fleet_load  # noqa: E402
from lab import lifecycle, topology  # noqa: E402
from lab.progress import Progress  # noqa: E402
from lab.running import Lab  # noqa: E402
from lab.waiting import seconds  # noqa: E402

NAME = "t-meas"
TTLS = ["3s", "10s", "30s"]
RUNS = 5
SIZES = (30, 300)


def main(words: list[str]) -> int:
    """Measure what is asked for; returns 1 if an aim was missed."""
    options = arguments(words)
    if os.geteuid() != 0:
        print("the bench makes machines: run it with sudo", file=sys.stderr)
        return 2
    cases = options.cases or ["failover", "load"]
    found: dict[str, Any] = {"seed": options.seed, "cpus": os.cpu_count()}
    met = True
    say = (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else print
    say(f"seed {options.seed}, {os.cpu_count()} processors")
    if "failover" in cases:
        runs: list[fleet_failover.Run] = []
        for ttl in options.ttl or TTLS:
            runs += failover(ttl, options.runs, random.Random(f"{options.seed} {ttl}"))
        found["failover"] = [dataclasses.asdict(run) for run in runs]
        met = met and all(run.met for run in runs)
        for row in fleet_failover.table(runs):
            say(row)
    if "load" in cases:
        with made("30s") as lab:
            loads = [fleet_load.measure(lab, size) for size in SIZES]
        found["load"] = [dataclasses.asdict(load) for load in loads]
        met = met and all(load.met for load in loads)
        for row in fleet_load.table(loads):
            say(row)
    if options.json:
        print(json.dumps(found, indent=1))
    return 0 if met else 1


def failover(ttl: str, count: int, chance: random.Random) -> Iterator[fleet_failover.Run]:
    """Power losses of a victim that leads and of one that does not in turn, then clean reboots."""
    with made(ttl) as lab:
        measured = fleet_failover.Failover(lab, seconds(ttl), chance)
        measured.set_up()
        for fault in ("power loss", "reboot"):
            for number in range(count):
                run = measured.run(fault, led=number % 2 == 0)
                print(run, file=sys.stderr, flush=True)
                yield run


@contextmanager
def made(ttl: str) -> Iterator[Lab]:
    """A lab with this agent_ttl, for the time of the block."""
    quiet = Progress("quiet")
    lifecycle.down(NAME, quiet)
    try:
        described = topology.parse(f"name: {NAME}\nfleet: {{agent_ttl: {ttl}}}\n", "bench")
        yield lifecycle.up(described, quiet, provider="nspawn")
    finally:
        lifecycle.down(NAME, quiet)


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="failover of fleet and what many units cost, measured")
    parser.add_argument("cases", nargs="*", choices=["failover", "load", []], help="default: both")
    parser.add_argument("--ttl", action="append", help="agent_ttl; several are measured in turn")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each fault")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", action="store_true", help="figures as JSON; the tables go to stderr")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
