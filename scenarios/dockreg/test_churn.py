"""Thirty instances on three hosts come and go at random, under traffic; in the end the keys are true."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from lab.health import Void
from lab.waiting import eventually
from scenarios.dockreg.article import HOSTS, TTL, Dockreg, Instance
from scenarios.dockreg.traffic import Traffic

Figure = Callable[[str, float, str], None]
SECONDS, SECONDS_EMULATED = 12, 90
FEWEST, MOST = 5, 10  # instances on one host
LEAST = 50  # requests a second of a long run, below which it would say little of what clients see
FEWEST_EMULATED, MOST_EMULATED = 1, 2  # each costs an emulated machine 20 s to start
SHORT_FEWEST, SHORT_MOST = 2, 4
IDLE = 3  # instances on one host that are out of service and still run
ENDS = ("docker stop", "docker kill", "out of service")


@dataclass(frozen=True)
class Departure:
    """An instance that went, and the moment (monotonic) from which it must get no more requests."""

    instance: Instance
    how: str
    at: float


class Ending:
    """When hosts must have an end of it: after some seconds, or as soon as nobody waits for them any more."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._given_up = threading.Event()

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()  # a Ctrl-C is not to wait for two minutes

    def is_here(self) -> bool:
        return time.monotonic() >= self._at or self._given_up.is_set()


@dataclass
class Host:
    """What one host has seen; its own random numbers, so that a seed gives each host the same decisions."""

    name: str
    chance: random.Random
    live: list[Instance] = field(default_factory=list)
    idle: list[Instance] = field(default_factory=list)
    departed: list[Departure] = field(default_factory=list)

    def churn(self, article: Dockreg, traffic: Traffic, ending: Ending, fewest: int, most: int) -> None:
        """Start and end instances until the end: at least `fewest`, at most `most` at a time."""
        while not ending.is_here():
            coming = self.chance.random() < 0.5
            how = self.chance.choice(ENDS)
            victim = self.chance.random()
            if len(self.live) < most and (coming or len(self.live) <= fewest):
                self.live.append(article.start(self.name))
            else:
                self.end(article, self.live.pop(int(victim * len(self.live))), how)
                traffic.wait_for_requests(self.departed[-1].at)

    def fill(self, article: Dockreg, count: int) -> None:
        """Start instances until there are `count`."""
        while len(self.live) < count:
            self.live.append(article.start(self.name))

    def end(self, article: Dockreg, instance: Instance, how: str) -> None:
        """Have an instance go; one out of service could answer for a while longer."""
        node = article.lab[self.name]
        if how == "out of service":
            article.wait_registered(instance)
            article.inside(instance, "supervisorctl stop dockreg")
            self.idle.append(instance)
        else:
            node.run([*how.split(), instance.id], timeout=article.patience)
        self.departed.append(Departure(instance, how, time.monotonic()))
        if len(self.idle) > IDLE:
            node.run(["docker", "rm", "--force", self.idle.pop(0).id], timeout=article.patience)


@pytest.mark.claim("B8", "B9", "B10", "B12")
def test_no_request_goes_to_an_instance_that_has_gone(
    balanced: Dockreg, figure: Figure, pytestconfig: pytest.Config
) -> None:
    seconds = pytestconfig.getoption("dockreg_churn", None)
    seed = pytestconfig.getoption("dockreg_seed", None)
    seed = random.randrange(1_000_000) if seed is None else seed
    print(f"--dockreg-seed {seed}")
    if balanced.lab.provider.emulated:
        fewest, most, seconds = FEWEST_EMULATED, MOST_EMULATED, seconds or SECONDS_EMULATED
    elif seconds:
        fewest, most = FEWEST, MOST
    else:
        fewest, most, seconds = SHORT_FEWEST, SHORT_MOST, SECONDS
    hosts = [Host(name, random.Random(f"{seed}/{name}")) for name in HOSTS]

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: host.fill(balanced, most), hosts))
        balanced.wait_registered(*(one for host in hosts for one in host.live))
        with Traffic(balanced) as traffic:
            traffic.wait_for_answer(balanced.patience)
            with Ending(seconds) as ending:
                list(pool.map(lambda host: host.churn(balanced, traffic, ending, fewest, most), hosts))
            # until HAProxy knows the last change
            traffic.wait_for_answer(
                balanced.noticed + balanced.patience, after=time.monotonic() + balanced.noticed
            )
    live = {one.address for host in hosts for one in host.live}
    departed = [departure for host in hosts for departure in host.departed]

    late = {one: traffic.last_asked(one.instance.name) - one.at for one in departed}
    figure("instances started", len(live) + len(departed), f"over {len(hosts)} hosts, seed {seed}")
    for how in ENDS:
        figure(how, sum(one.how == how for one in departed), "instances")
    figure("requests", traffic.rate, "/s")
    figure("failed requests", len(traffic.failed), f"of {len(traffic.samples)}")
    figure("last request to one that had gone", max(0.0, *late.values()) * 1000, "ms later")
    figure("slowest answer", traffic.slowest.duration * 1000, "ms")
    assert departed
    if most == MOST and traffic.rate < LEAST:
        raise Void(f"{traffic.rate:.0f} requests a second, {LEAST} are wanted: the host is too busy")
    too_late = {
        one.instance.name: after
        for one, after in late.items()
        if after > balanced.noticed + traffic.standstill(one.at, one.at + after)
    }
    assert too_late == {}
    assert traffic.failed == [], traffic.complaints()
    # what was killed is there for its time to live
    eventually(
        lambda: balanced.addresses() == live,
        TTL + balanced.expiry_error + balanced.patience,
        f"the keys are those of the {len(live)} instances that live",
    )
