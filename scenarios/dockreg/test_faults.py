"""What clients see, two hundred requests a second, while instances and hosts come, go, and are lost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lab import faults
from lab.waiting import eventually
from scenarios.dockreg.article import HOSTS, INTERVAL, TTL, Dockreg, Instance
from scenarios.dockreg.traffic import Traffic

Figure = Callable[[str, float, str], None]
# A host that is lost answers nothing. A request waits for a connection (0.5 s), one that was under way waits
# for its answer (2 s; ten times as long in emulation), then HAProxy asks another host: slow, but no failure.
# The first of these connections that fails, or the second failed check, takes the host's instances out.
LOST_MS, LOST_MS_EMULATED = 3_500, 35_000


@pytest.fixture(scope="module")
def steady(balanced: Dockreg) -> list[Instance]:
    """An instance on each of the first two hosts, which stay through all tests."""
    started = [balanced.start(host) for host in HOSTS[:2]]
    balanced.wait_registered(*started)
    return started


def report(figure: Figure, traffic: Traffic) -> None:
    figure("requests", traffic.rate, "/s")
    figure("failed requests", len(traffic.failed), f"of {len(traffic.samples)}")
    figure("slowest answer", traffic.slowest.duration * 1000, "ms")


KILLED = {"its application killed": "nodejs-server", "its sidekick killed": "dockreg"}


@pytest.mark.claim("B12", "F1")
@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("end", ["stopped", "killed", *KILLED])
def test_no_client_notices_an_instance_that_comes_and_ends(
    balanced: Dockreg, end: str, figure: Figure
) -> None:
    with Traffic(balanced) as traffic:
        traffic.wait_for_answer(balanced.patience)
        instance = balanced.start(HOSTS[2])
        traffic.wait_for(instance.name, balanced.patience)
        if end in KILLED:
            victim = balanced.process(instance, KILLED[end])
            balanced.inside(instance, f"kill -KILL {victim}")
            killed = time.monotonic()
            eventually(
                lambda: balanced.process(instance, KILLED[end]) != victim,
                balanced.patience,
                "supervisord has started it again",
            )
            traffic.wait_for(instance.name, INTERVAL + balanced.patience, after=killed + 1)
            traffic.wait_for_requests(killed)
        else:
            command = {"stopped": "stop", "killed": "kill"}[end]
            balanced.lab[HOSTS[2]].run(["docker", command, instance.id], timeout=balanced.patience)
            ended = time.monotonic()
            traffic.wait_for_requests(ended)
            traffic.wait_for_answer(balanced.noticed + balanced.patience, after=ended + balanced.noticed)
            assert traffic.last_asked(instance.name) <= ended
    report(figure, traffic)
    assert traffic.failed == [], traffic.complaints()
    balanced.lab[HOSTS[2]].run(["docker", "rm", "--force", instance.id], timeout=balanced.patience)


@pytest.mark.claim("B10", "B12")
@pytest.mark.usefixtures("steady")
def test_a_host_that_loses_power(balanced: Dockreg, figure: Figure) -> None:
    lost = balanced.start(HOSTS[2])
    balanced.wait_registered(lost)
    with Traffic(balanced) as traffic:
        traffic.wait_for(lost.name, balanced.patience)
        with faults.power_loss(balanced.lab, lost.host):
            cut = time.monotonic()  # and not when it began: the key may have been prolonged in between
            key = balanced.lab.etcd.get(lost.key, member=HOSTS[0])
            told = time.monotonic()
            assert key is not None
            assert key.ttl is not None
            gone = balanced.gone_at(lost, TTL + 30, member=HOSTS[0])
            traffic.wait_for_requests(gone)
            figure("key gone after the power cut", gone - cut, "s")
            late = balanced.expiry_error + traffic.standstill(cut, gone)
            # etcd tells whole seconds: up to one less may be left
            assert cut + key.ttl - 1 - balanced.clocks < gone < told + key.ttl + late
            assert gone - cut < TTL + late
    report(figure, traffic)
    assert traffic.failed == [], traffic.complaints()
    budget = LOST_MS_EMULATED if balanced.lab.provider.emulated else LOST_MS
    slowest = traffic.slowest
    assert (slowest.duration - traffic.standstill(slowest.start, slowest.end)) * 1000 < budget
    assert traffic.last_asked(lost.name) <= cut
