"""A killed dockerd leaves dead containers' network behind, and the next one's containers do not share it."""

from __future__ import annotations

from lab.running import Lab
from lab.waiting import eventually

START = "docker run --detach --rm --name served --publish 8099:80 nginx"
ASK = "curl --silent --fail --max-time 1 http://127.0.0.1:8099/"
PORT = "ip -o link show master docker0 | sed 's/^[0-9]*: //; s/@.*//'"
WITHIN = 60.0  # seconds for a container, or for Docker, to start


def test_a_dead_container_s_network_has_no_port_on_the_bridge_beside_the_next_one_s(fresh_lab: Lab) -> None:
    node = fresh_lab["coreos-1"]
    node.run(START, timeout=WITHIN)
    node.wait_until_succeeds(ASK, within=WITHIN)
    old = node.output(PORT).split()
    # holds the network of the dead container, as a connection does that has not ended
    pid = node.output("docker inspect --format '{{.State.Pid}}' served")
    node.run(f"systemd-run --quiet --unit=holder nsenter --target {pid} --net sleep 600", sudo=True)

    node.run("systemctl kill --kill-who=main --signal=KILL docker", sudo=True)
    eventually(lambda: node.run(START, check=False).ok, WITHIN, "Docker is back, and starts a container")

    node.wait_until_succeeds(ASK, within=WITHIN)
    new = node.output(PORT).split()
    assert len(old) == len(new) == 1
    assert new != old
    node.run("systemctl stop holder; docker kill served", sudo=True)
