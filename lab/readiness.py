"""Waits until a lab is what a test may rely on: etcd healthy, Docker answering, fleet complete."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import registry
from lab.errors import MachineError
from lab.etcd import EtcdFailed
from lab.fleet import MACHINES
from lab.node import ConnectionLost, Node
from lab.progress import Progress
from lab.running import Lab
from lab.waiting import Deadline, eventually

READY_WITHIN = 60.0  # seconds for containers, which take five on an idle machine
READY_WITHIN_EMULATED = 600.0  # three virtual machines in software emulation on two busy cores
POLL = 0.05

# systemd tells when Docker has started: asking Docker again and again would take the processor from it.
DOCKER = "sudo -n systemctl start docker.service && docker version --format ok"

# Polls where the answers are, once etcd has them all, so the first look is mostly the last one. `limit`
# bounds it on the machine as well: it must not outlive a harness that was killed.
FLEET = """\
limit=$(( $(date +%s) + {within} ))
until [ "$(fleetctl list-machines --no-legend 2>/dev/null | wc -l)" -eq {machines} ]; do
  [ $(date +%s) -lt $limit ] || {{ echo "fleet does not list {machines} machines" >&2; exit 1; }}; sleep 0.1
done
"""


def wait(lab: Lab, progress: Progress, *, emulated: bool) -> None:
    """Return when every machine is ready. Raises MachineError with the console's tail of one that is not."""
    deadline = Deadline(READY_WITHIN_EMULATED if emulated else READY_WITHIN)
    nodes = list(lab)
    with ThreadPoolExecutor(len(nodes) + 1) as pool:
        serving = pool.submit(registry.wait, lab.topology, lab.namespace)
        answering = {node.name: pool.submit(_docker, node, deadline) for node in nodes}
        with progress.step("waiting for every etcd member, and for fleet on every machine"):
            _etcd(lab, deadline)
        with progress.step("waiting for SSH and Docker on every machine"):
            for name, answered in answering.items():
                try:
                    answered.result()
                except MachineError as problem:
                    raise MachineError(f"{problem}\n{console_tail(lab, name)}") from None
            serving.result()
        for listed in [pool.submit(_fleet, node, len(nodes), deadline) for node in nodes]:
            listed.result()


def console_tail(lab: Lab, name: str, lines: int = 15) -> str:
    """The last lines of a machine's console, for an error message."""
    console = lab.specs[name].console
    if not console.exists():
        return f"{name} has no console log"
    tail = console.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"the end of {console}:", *(f"  {line}" for line in tail)])


def _etcd(lab: Lab, deadline: Deadline) -> None:
    """Every member healthy, and in etcd the key of every machine that runs fleetd."""
    for node in lab:
        try:
            eventually(
                lambda name=node.name: lab.etcd.healthy(name),  # type: ignore[misc]
                deadline.left(),
                f"etcd on {node.name} is healthy",
                every=POLL,
            )
        except MachineError as problem:
            raise MachineError(f"{problem}\n{console_tail(lab, node.name)}") from None
    machines = len(lab.nodes)
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


def _fleet(node: Node, machines: int, deadline: Deadline) -> None:
    left = max(1, int(deadline.left()))
    result = node.run(FLEET.format(within=left, machines=machines), check=False, timeout=left + 10)
    if not result.ok:
        raise MachineError(f"{node.name}: {result.stderr.strip()}")
