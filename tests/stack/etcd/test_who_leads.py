"""Who leads a real cluster of three, asked as a test asks it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from lab.etcd import Etcd, EtcdFailed
from lab.waiting import eventually
from tests.stack.conftest import etcd_command, free_ports

PATIENCE = 60.0
HOSTS = {"one": "127.0.0.1", "two": "127.0.0.2", "three": "127.0.0.3"}


class Cluster:
    """Three members on addresses of their own, as in a lab; each ended by its process id."""

    def __init__(self, folder: Path) -> None:
        self.port, peer = free_ports(2)
        self.asked = Etcd(HOSTS, requests.Session)
        peers = ",".join(f"{name}=http://{host}:{peer}" for name, host in HOSTS.items())
        self.processes = {}
        for name, host in HOSTS.items():
            client = f"http://{host}:{self.port}"
            with (folder / f"{name}.log").open("wb") as log:
                self.processes[name] = subprocess.Popen(
                    [
                        *etcd_command(),
                        *(f"--name={name}", "--enable-v2=true", "--data-dir", str(folder / name)),
                        *("--listen-client-urls", client, "--advertise-client-urls", client),
                        *("--listen-peer-urls", f"http://{host}:{peer}"),
                        *("--initial-advertise-peer-urls", f"http://{host}:{peer}"),
                        *("--initial-cluster", peers, "--unsafe-no-fsync"),
                    ],
                    stdout=log,
                    stderr=log,
                )

    def lose(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    monkeypatch.setattr("lab.etcd.PORT", made.port)
    try:
        yield made
    finally:
        for name in made.processes:
            made.lose(name)


def agreed(cluster: Cluster, *members: str) -> str:
    """The leader that all of these members name."""

    def leader() -> str:
        (seen,) = {cluster.asked.leader(member=name) for name in members}  # ValueError: more than one
        return seen

    return eventually(leader, PATIENCE, "the members agree on a leader", ignoring=(EtcdFailed, ValueError))


def test_the_others_agree_on_another_when_the_leader_is_lost(cluster: Cluster) -> None:
    lost = agreed(cluster, *HOSTS)
    others = [name for name in HOSTS if name != lost]

    cluster.lose(lost)

    eventually(lambda: agreed(cluster, *others) in others, PATIENCE, "one of the others leads")


def test_without_a_quorum_nobody_leads(cluster: Cluster) -> None:
    """etcd's v2 statistics go on to name the member itself."""
    leader = agreed(cluster, *HOSTS)
    for name in HOSTS:
        if name != leader:
            cluster.lose(name)

    eventually(lambda: cluster.asked.leader(member=leader) == "", PATIENCE, "the last one has given up")
