"""A failed test's bundle has the state of proxies, whatever their containers are called, and runit's logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import evidence
from lab.node import Node
from lab.running import Lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")
PATIENCE = 60.0
LOG = "/var/log/docker-page"
SERVERS = "server 10.1.0.103:8087 weight=1;"
CONFIGURATION = """\
global
    stats socket /run/haproxy.sock mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend page
    bind :80
"""
BALANCER = (
    "docker run --detach --name balancer --volume /home/core/balancer:/balancer:ro --entrypoint haproxy "
    "lab/cache:haproxy -W -db -f /balancer/haproxy.cfg"
)


@pytest.fixture
def node(lab: Lab) -> Iterator[Node]:
    """A machine with HAProxy and nginx in containers, and what a service of runit has logged."""
    one = lab["coreos-1"]
    one.run("docker run --detach --name front nginx", timeout=PATIENCE)
    one.put(CONFIGURATION, "/home/core/balancer/haproxy.cfg")
    one.run(BALANCER, timeout=PATIENCE)
    one.run(["docker", "exec", "front", "mkdir", "-p", "/etc/nginx/srv"])
    one.run(["docker", "exec", "front", "sh", "-c", f"echo '{SERVERS}' >/etc/nginx/srv/page.conf"])
    one.put(
        "2026-11-28_03:22:22.50000 rundock: page: the container ended with 137\n", f"{LOG}/current", sudo=True
    )
    yield one
    one.run(f"rm -rf {LOG} /home/core/balancer; docker rm --force front balancer", sudo=True, check=False)


def test_proxies_and_runit_are_in_the_bundle(lab: Lab, node: Node, tmp_path: Path) -> None:
    node.wait_until_succeeds("docker exec balancer test -S /run/haproxy.sock", within=PATIENCE)

    bundle = evidence.collect(lab, tmp_path / "bundle")

    haproxy = (bundle / node.name / "haproxy.csv").read_text()
    assert "== balancer" in haproxy
    assert "page,FRONTEND" in haproxy
    nginx = (bundle / node.name / "nginx.txt").read_text()
    assert "nginx: worker process" in nginx
    assert SERVERS in nginx
    assert "ended with 137" in (bundle / node.name / "runit.txt").read_text()
    for file in ("haproxy.csv", "nginx.txt", "runit.txt", "skydns.txt"):
        assert not (bundle / "coreos-2" / file).exists(), (
            f"coreos-2 has no such thing as {file} would tell of"
        )
    missing = bundle / "missing.txt"
    assert not missing.exists() or "nginx" not in missing.read_text()
