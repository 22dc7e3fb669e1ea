"""Apache's machine loses power: nobody says goodbye, and the key goes by its time to live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from lab import faults
from lab.etcd import EtcdFailed
from lab.waiting import Deadline, eventually
from scenarios.ambassador.article import KEY, Article

KEEP_OUT = """\
[Unit]
Description=Keeps Apache from this machine, so that nobody else writes its key

[Service]
ExecStart=/bin/sleep infinity

[X-Fleet]
Conflicts=apache.service
"""
# etcd's leader looks for expired keys every 500 ms; then one round of raft, and our own look every 20 ms.
ERROR_MS = 1_500
ERROR_MS_EMULATED = 10_000
LOOK = 0.02


@pytest.fixture
def nowhere_to_go(article: Article) -> Iterator[None]:
    """Units that keep Apache from moving: the key must go by itself."""
    node = article.machine_of("haproxy.service")
    node.put(KEEP_OUT, "keep-out.service")
    node.run("fleetctl start keep-out.service", timeout=article.patience)
    unit = article.lab.fleet.wait_running("keep-out.service", within=article.patience)["keep-out.service"]
    assert article.lab.node_at(unit.machine).name == article.bystander().name
    yield
    article.lab.fleet.destroy("keep-out.service")


@pytest.mark.claim("A13")
@pytest.mark.usefixtures("nowhere_to_go")
def test_the_key_goes_by_its_ttl_when_its_machine_loses_power(
    article: Article, figure: Callable[[str, float, str], None]
) -> None:
    etcd = article.lab.etcd
    lost = article.machine_of("apache.service")
    left = [node.name for node in article.lab if node.name != lost.name]
    allowed = ERROR_MS_EMULATED if article.lab.provider.emulated else ERROR_MS
    refreshed, ttl = next_refresh(article, left[0])

    with faults.power_loss(article.lab, lost.name) as loss:
        assert loss.at - refreshed < ttl
        due = refreshed + ttl
        gone = {member: gone_at(article, member, Deadline(ttl + 30)) for member in left}
        for member, moment in gone.items():
            figure(f"key gone on {member}, late by", (moment - due) * 1000, "ms")
    for member, moment in gone.items():
        assert -1000 < (moment - due) * 1000 < allowed, member
    assert etcd.get(KEY, member=lost.name) is None, "the machine that came back has the old key"


def next_refresh(article: Article, member: str) -> tuple[float, int]:
    """When (to within a look) the registrar last prolonged the key, and for how many seconds."""
    before = article.lab.etcd.get(KEY, member=member)
    assert before is not None

    def prolonged() -> tuple[float, int] | None:
        key = article.lab.etcd.get(KEY, member=member)
        assert key is not None
        assert key.ttl is not None, f"{KEY} has no TTL"
        return (time.monotonic(), key.ttl) if key.modified != before.modified else None

    return eventually(prolonged, 30, f"{KEY} is prolonged", every=LOOK)


def gone_at(article: Article, member: str, deadline: Deadline) -> float:
    """The moment at which a member no longer has the key."""

    def gone() -> float | None:
        return None if article.lab.etcd.get(KEY, member=member) else time.monotonic()

    return eventually(gone, deadline.left(), f"{KEY} is gone on {member}", every=LOOK, ignoring=(EtcdFailed,))
