"""Apache's machine loses power: nobody says goodbye, and the key goes by its time to live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from lab import clocks, faults
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
    try:
        node.run("fleetctl start keep-out.service", timeout=article.patience)
        unit = article.lab.fleet.wait_running("keep-out.service", within=article.patience)["keep-out.service"]
        assert article.lab.node_at(unit.machine).name == article.bystander().name
        yield
    finally:
        article.lab.fleet.destroy("keep-out.service")


@pytest.mark.fault("power-loss")
@pytest.mark.claim("A13")
@pytest.mark.usefixtures("nowhere_to_go")
def test_the_key_goes_by_its_ttl_when_its_machine_loses_power(
    article: Article, figure: Callable[[str, float, str], None]
) -> None:
    etcd = article.lab.etcd
    lost = article.machine_of("apache.service")
    left = [node.name for node in article.lab if node.name != lost.name]
    allowed = ERROR_MS_EMULATED if article.lab.provider.emulated else ERROR_MS
    clock = clocks.measure(article.lab, lost.name)  # whose member the registrar writes to

    with faults.power_loss(article.lab, lost.name) as loss:
        # if it led, what a follower still sends to it is lost, and has to be asked for again
        key = eventually(
            lambda: etcd.get(KEY, member=left[0], quorum=True),
            article.patience,
            f"{KEY} is there",
            ignoring=(EtcdFailed,),
        )
        assert key.expires is not None, f"{KEY} has no TTL"
        due = key.expires + clock.seconds
        assert loss.at < due
        gone = {member: gone_at(article, member, Deadline(due - time.monotonic() + 30)) for member in left}
        for member, (_, missed) in gone.items():
            figure(f"key gone on {member}, late by", (missed - due) * 1000, "ms")
    for member, (seen, missed) in gone.items():
        assert (missed - due) * 1000 > -1000, f"{member} had lost it before its time"
        # by the last look that still saw it: one that a busy host delays makes it no older
        assert (seen - due) * 1000 < allowed, f"{member} still had it"
    new = etcd.get(
        KEY, member=lost.name
    )  # Apache may run there again by now, and its registrar has come with it
    assert new is None or new.modified > key.modified, "the machine that came back has the old key"


def gone_at(article: Article, member: str, deadline: Deadline) -> tuple[float, float]:
    """When the last look began in which a member still had the key (0 if none), and the first without it."""
    seen = 0.0

    def gone() -> tuple[float, float] | None:
        nonlocal seen
        now = time.monotonic()
        if article.lab.etcd.get(KEY, member=member) is None:
            return seen, now
        seen = now
        return None

    return eventually(gone, deadline.left(), f"{KEY} is gone on {member}", every=LOOK, ignoring=(EtcdFailed,))
