"""Waits until a lab is what a test may rely on: etcd healthy, Docker answering, fleet complete."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lab import registry
from lab.errors import MachineError
from lab.etcd import EtcdFailed
from lab.fleet import MACHINES
from lab.node import ConnectionLost, Node
from lab.progress import Progress
from lab.waiting import Deadline, eventually

if TYPE_CHECKING:
    from lab.running import Lab

READY_WITHIN = 60.0  # seconds for containers, which take five on an idle machine
READY_WITHIN_EMULATED = 600.0  # three virtual machines in software emulation on two busy cores
POLL = 0.05

# systemd tells when Docker has started: asking Docker again and again would take the processor from it.
DOCKER = "sudo -n systemctl start docker.service && docker version --format ok"

# Polls where the answers are, once etcd has them all, so the first look is mostly the last one. `limit`
# bounds it on the machine as well: it must not outlive a harness that was killed.
FLEET = """\
limit=$(( $(date +%s) + {within} ))
until fleetctl list-machines --no-legend --fields=ip 2>/dev/null | {{ {wanted}; }}; do
  [ $(date +%s) -lt $limit ] || {{ echo "fleet does not list {who}" >&2; exit 1; }}; sleep 0.1
done
"""


def wait(lab: Lab, progress: Progress, *, emulated: bool) -> None:
    """Return when every machine is ready. Raises MachineError with the console's tail of one that is not."""
    deadline = _deadline(emulated)
    nodes = list(lab)
    what = ", and for fleet on every machine" if lab.topology.fleet.enabled else ""
    with ThreadPoolExecutor(len(nodes) + 1) as pool:
        serving = pool.submit(registry.wait, lab.topology, lab.namespace)
        answering = {node.name: pool.submit(_docker, node, deadline) for node in nodes}
        with progress.step(f"waiting for every etcd member{what}"):
            for node in nodes:
                _etcd(lab, node, deadline)
            if what:
                _registered(lab, len(nodes), deadline)
        with progress.step("waiting for SSH and Docker on every machine"):
            for name, answered in answering.items():
                try:
                    answered.result()
                except MachineError as problem:
                    raise MachineError(f"{problem}\n{console_tail(lab, name)}") from None
            serving.result()
            if what:
                wanted, who = f"test $(wc -l) -eq {len(nodes)}", f"{len(nodes)} machines"
                for listed in [pool.submit(_fleet, node, wanted, who, deadline) for node in nodes]:
                    listed.result()


def wait_joined(lab: Lab, name: str, *, emulated: bool) -> None:
    """Return when a machine that joined a running lab is as ready as one that was there from the start."""
    deadline = _deadline(emulated)
    node = lab[name]
    _etcd(lab, node, deadline)
    try:
        _docker(node, deadline)
    except MachineError as problem:
        raise MachineError(f"{problem}\n{console_tail(lab, name)}") from None
    if lab.topology.fleet.enabled:
        address = str(lab.specs[name].machine.private)
        _fleet(node, f"grep -qxF {address}", name, deadline)


def console_tail(lab: Lab, name: str, lines: int = 15) -> str:
    """The last lines of a machine's console, for an error message."""
    console = lab.specs[name].console
    if not console.exists():
        return f"{name} has no console log"
    tail = console.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"the end of {console}:", *(f"  {line}" for line in tail)])


def _deadline(emulated: bool) -> Deadline:
    return Deadline(READY_WITHIN_EMULATED if emulated else READY_WITHIN)


def _etcd(lab: Lab, node: Node, deadline: Deadline) -> None:
    """The machine's member healthy, or its proxy in touch with one that is."""
    try:
        what = f"etcd on {node.name} is healthy"
        eventually(lambda: lab.etcd.healthy(node.name), deadline.left(), what, every=POLL)
    except MachineError as problem:
        raise MachineError(f"{problem}\n{console_tail(lab, node.name)}") from None


def _registered(lab: Lab, machines: int, deadline: Deadline) -> None:
    """In etcd the key of every machine that runs fleetd."""
    eventually(
        lambda: len(lab.etcd.keys(MACHINES)) == machines,
        deadline.left(),
        f"fleetd has registered on {machines} machines",
        every=POLL,
        ignoring=(EtcdFailed,),
    )


def _docker(node: Node, deadline: Deadline) -> None:
    def answers() -> bool:
        return node.run("true", timeout=max(deadline.left(), 1)).ok

    eventually(answers, deadline.left(), f"{node.name} answers SSH", every=POLL, ignoring=(ConnectionLost,))
    node.run(DOCKER, timeout=max(deadline.left(), 1))


def _fleet(node: Node, wanted: str, who: str, deadline: Deadline) -> None:
    """Wait on the machine until the list of fleet's addresses is what the shell command `wanted` wants."""
    left = max(1, int(deadline.left()))
    result = node.run(FLEET.format(within=left, wanted=wanted, who=who), check=False, timeout=left + 10)
    if not result.ok:
        raise MachineError(f"{node.name}: {result.stderr.strip()}")
