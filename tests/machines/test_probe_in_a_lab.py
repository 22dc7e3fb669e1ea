"""The probe asks from inside a lab's network and sees machines come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from lab import faults
from lab.node import Node
from lab.probe import Probe
from lab.running import Lab

PORT = 8765
TIMEOUT = 0.5  # seconds


@pytest.fixture
def served(lab: Lab) -> Iterator[tuple[Node, str]]:
    """A web server on a machine, at its private address."""
    name = "coreos-3"
    node = lab[name]
    address = lab.specs[name].machine.private
    node.run("mkdir -p /tmp/page && echo here > /tmp/page/index.html")
    serve = f"systemd-run --unit page python3 -m http.server --directory /tmp/page --bind {address} {PORT}"
    node.run(serve, sudo=True)
    node.wait_for_port(PORT, str(address))
    yield node, f"http://{address}:{PORT}/"
    node.run("systemctl stop page", sudo=True, check=False)


def test_a_partition_is_an_outage_of_time_outs(
    lab: Lab, served: tuple[Node, str], figure: Callable[[str, float, str], None]
) -> None:
    node, url = served
    with Probe(url, lab.namespace, expect="here", timeout=TIMEOUT) as probe:
        probe.wait_for_answer(within=30)
        with faults.partition(lab, node.name):
            cut = time.monotonic()
            first = probe.wait_for_failure(within=30, after=cut)
            # by its end, whatever had got through before the cut has been read: no answer lies between it
            # and the end of the next one
            seen = probe.wait_for_failure(within=30, after=first.end)
            healed = time.monotonic()
        probe.wait_for_answer(within=30, after=healed)
    (outage,) = (gap for gap in probe.outages if gap.start <= seen.start < gap.end)
    figure("outage of a partition", outage.ms, "ms")
    # only of what was asked meanwhile: a server that stands still for a moment fails in its own ways
    failed = [sample for sample in probe.failed if cut <= sample.start <= healed]
    assert {sample.kind for sample in failed} <= {"timeout", "unreachable"}
    assert outage.ms >= TIMEOUT * 1000


def test_a_stopped_server_refuses(lab: Lab, served: tuple[Node, str]) -> None:
    node, url = served
    with Probe(url, lab.namespace, expect="here") as probe:
        probe.wait_for_answer(within=30)
        node.run("systemctl stop page", sudo=True)
        assert probe.wait_for_failure(within=30).kind in ("refused", "reset")
