"""The stacks that failover is measured on: how a client sees each, and its configured times."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from lab.breakdown import Bound, Service
from lab.faults.units import revive
from lab.measurement import Budget, Stack
from lab.roles import Target
from lab.running import Lab
from lab.waiting import seconds
from scenarios.ambassador.article import CONSUMERS, KEY, PAGE, PROVIDERS, Article

# What a night's run has time for; `tox -e failover` sets it.
AT_NIGHT = pytest.mark.skipif("LAB_NIGHT" not in os.environ, reason="for a night's run: set LAB_NIGHT=1")
EXPIRY = 0.5  # seconds: etcd's leader looks for expired keys this often
ENGINE = 2.0  # seconds between two passes of fleet's engine
KEY_TTL = 20.0  # seconds: docker-register's own default
CHECK = ("HAProxy's check", 1.0)  # seconds between two of them; one good one (rise 1) is enough
# A budget is what is configured, and room for the work itself: three containers started one after the
# other (0.3 s each on an idle host, ten times that in emulation), on hosts that do other things as well.
WORK, WORK_EMULATED = 6.0, 150.0
# Healing is a command or two over SSH, on the machine that was hit.
HEALING, HEALING_EMULATED = 1.0, 20.0
# Where nothing is to be noticed: one probe that a busy host served late must not fail a night's run.
NOTHING, NOTHING_EMULATED = 0.5, 10.0


@dataclass(frozen=True)
class Times:
    """The configured times of a lab, in seconds, with where each is configured."""

    agent_ttl: float
    election: float
    work: float
    healing: float
    nothing: float
    emulated: bool
    follow: Sequence[tuple[str, float]]  # what has to follow once containers have been started

    def budget(self, *parts: tuple[str, float]) -> Budget:
        """The sum of the parts, and that sum in words."""
        return Budget(
            sum(length for _, length in parts) * 1000,
            " + ".join(f"{name} {length:g} s" for name, length in parts),
        )

    def lost_machine(self) -> Sequence[tuple[str, float]]:
        """A machine that says no goodbye: fleet must miss it, and place its units elsewhere."""
        return (
            ("fleet.agent_ttl", self.agent_ttl),
            ("etcd's expiry", EXPIRY),
            ("election, if it led", self.election),
            ("engine's pass", ENGINE),
        )

    def back(self) -> Sequence[tuple[str, float]]:
        """What follows once a unit has been started: containers, and whoever has to follow them."""
        return (("start of containers", self.work), *self.follow)


def times(lab: Lab, *follow: tuple[str, float]) -> Times:
    emulated = lab.provider.emulated
    election = lab.topology.etcd.milliseconds(emulated)[1] / 1000
    return Times(
        seconds(lab.topology.fleet.agent_ttl),
        2 * election,  # a member waits for one to two election time-outs
        WORK_EMULATED if emulated else WORK,
        HEALING_EMULATED if emulated else HEALING,
        NOTHING_EMULATED if emulated else NOTHING,
        emulated,
        follow,
    )


def placed_by_fleet(known: Times) -> dict[str, Bound]:
    """What bounds the loss of a machine's unit, and its new place."""
    return {
        "detection": Bound(known.agent_ttl + EXPIRY, "fleet.agent_ttl, etcd's expiry"),
        "rescheduling": Bound(ENGINE, "fleet's engine, a pass every 2 s"),
    }


def out_of_the_dark(bounds: Mapping[str, Bound], known: Times, held: float) -> dict[str, Bound]:
    """The bounds of a stack whose machines were all dark: who detects, places or follows must start first."""
    first = {
        "detection": (held + known.work + known.election, "the time held, boot, election"),
        "rescheduling": (known.work, "start of fleet"),
        "reconfiguration": (known.work, "start of the proxies"),
    }
    later = {
        phase: Bound(bound.seconds + first[phase][0], f"{first[phase][1]}, {bound.source}")
        for phase, bound in bounds.items()
        if phase in first
    }
    return {**bounds, **later}


def start_dead(lab: Lab, units: Sequence[str]) -> None:
    """Start what an earlier fault has left dead: that cell has failed for it, and the next one is another."""
    there = lab.fleet.units()
    if not all(unit in there and there[unit].running for unit in units):
        revive(lab, Target(tuple(lab.specs)))
    lab.fleet.wait_running(*units)


def ambassador(article: Article) -> Stack:
    """Apache behind HAProxy and two ambassadors, found through docker-register's key."""
    known = times(article.lab)
    return Stack(
        "ambassador",
        article.public_url,
        PAGE,
        lambda: Service("apache.service", (KEY,), ("apache-dyn-amb.service", "haproxy.service")),
        PROVIDERS + CONSUMERS,
        {
            **placed_by_fleet(known),
            "reconfiguration": Bound(CHECK[1], "HAProxy's check, every 1 s"),
            "first answer": Bound(CHECK[1], "it serves when it is registered; HAProxy's check, every 1 s"),
        },
        ready=lambda: start_dead(article.lab, PROVIDERS + CONSUMERS),
    )
