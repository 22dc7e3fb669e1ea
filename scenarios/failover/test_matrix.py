"""Every fault against the ambassador stack: what its clients notice, in milliseconds, against a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.breakdown import Service
from scenarios.ambassador.article import CONSUMERS, Article
from scenarios.failover.cells import (
    SHORT,
    Cell,
    Measured,
    Parts,
    check,
    docker_restarts,
    named,
    nothing,
    until_healed,
    while_held,
)
from scenarios.failover.stacks import CHECK, ENGINE, KEY_TTL, Times, ambassador

APACHE, HAPROXY = "machine_of(apache.service)", "machine_of(haproxy.service)"


def lost(known: Times) -> Parts:
    return (*known.lost_machine(), *known.back())


def moved(known: Times) -> Parts:
    """A clean shutdown: fleet moves the units at once, while `docker stop -t 3` is under way."""
    return (("engine's pass", ENGINE), ("docker stop", 3.0), *known.back())


def parted(known: Times) -> Parts:
    """The proxies hear nobody, and then look for Apache again."""
    return (*while_held(known), CHECK)


def cold_start(known: Times) -> Parts:
    """The whole lab boots: etcd elects, fleet starts the units again, the old key's TTL has to run out."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election", known.election),
        ("the old key's TTL", KEY_TTL),
        ("fleet.agent_ttl", known.agent_ttl),
        *known.back(),
    )


CELLS = (
    Cell("reboot", APACHE, moved, told=True),
    Cell("power-loss", APACHE, lost, told=True),
    Cell("partition", APACHE, lost, night=True),  # the same time-outs as a power loss, and 20 s more
    Cell("partition", HAPROXY, parted, SHORT),
    Cell("pause", APACHE, until_healed, SHORT),
    Cell("mute", APACHE, until_healed, SHORT),
    Cell("deaf", APACHE, until_healed, SHORT),
    Cell("loss", APACHE, until_healed, SHORT),
    Cell("latency", APACHE, nothing, SHORT),
    Cell("leader-lost", "leader", nothing, SHORT),
    Cell("member-stopped", "follower", nothing, SHORT),
    Cell("docker-killed", APACHE, docker_restarts, SHORT),
    Cell("container-killed", "apache.service", until_healed, SHORT, night=True),
    Cell("container-killed", "apache-dyn-amb.service", until_healed, SHORT, night=True),
    Cell("container-killed", "haproxy.service", until_healed, SHORT),
    Cell("container-paused", "haproxy.service", until_healed, SHORT),
    Cell("process-killed", "apache-docker-reg.service", nothing, SHORT),
    Cell("process-killed", APACHE + ":fleet.service", nothing, SHORT, night=True),
    Cell("blackout", "all", cold_start, SHORT, told=True, front_boots=True),
    Cell("disk-full", APACHE, nothing, SHORT),
    # Not etcd's leader: by its clock every TTL is over at once, fleet moves all units, and with HAProxy goes
    # the address that clients know.
    Cell("clock-step", "follower", nothing, SHORT),
)


@pytest.mark.claim("F1", "F2")
@named(CELLS, night=False)
def test_clients_of_the_ambassador_stack(
    article: Article, measured: Measured, cell: Cell, repetition: int
) -> None:
    stack = ambassador(article)
    if (cell.fault, cell.target) == (
        "power-loss",
        APACHE,
    ):  # a registrar that lives prolongs it without a word
        stack = replace(stack, key_ttl=KEY_TTL)
    if cell.target in CONSUMERS:  # no key tells of a proxy, and HAProxy follows
        stack = replace(stack, service=lambda: Service(cell.target, (), ("haproxy.service",)))
    check(article.lab, stack, cell, measured, CHECK)
