"""Waits until a lab is what a test may rely on: etcd healthy, Docker answering, fleet complete."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import registry
from lab.errors import MachineError
from lab.node import ConnectionLost, Node
from lab.progress import Progress
from lab.running import Lab
from lab.waiting import Deadline, eventually

READY_WITHIN = 60.0  # seconds for containers, which take five on an idle machine
READY_WITHIN_EMULATED = 600.0  # three virtual machines in software emulation on two busy cores
POLL = 0.05

# One command, so that an emulated machine pays for one session; it polls where the answers are.
# `limit` bounds it on the machine as well: it must not outlive a harness that was killed.
CHECK = """\
limit=$(( $(date +%s) + {within} ))
until docker version --format ok >/dev/null 2>&1; do
  [ $(date +%s) -lt $limit ] || {{ echo "docker does not answer"; exit 1; }}; sleep 0.05
done
until [ "$(fleetctl list-machines --no-legend 2>/dev/null | wc -l)" -eq {machines} ]; do
  [ $(date +%s) -lt $limit ] || {{ echo "fleet does not list {machines} machines"; exit 1; }}; sleep 0.05
done
"""


def wait(lab: Lab, progress: Progress, *, emulated: bool) -> None:
    """Return when every machine is ready. Raises MachineError with the console's tail of one that is not."""
    deadline = Deadline(READY_WITHIN_EMULATED if emulated else READY_WITHIN)
    nodes = list(lab)
    with ThreadPoolExecutor(len(nodes) + 1) as pool:
        with progress.step("waiting for SSH, Docker and fleet on every machine"):
            serving = pool.submit(registry.wait, lab.topology, lab.namespace)
            waiting = {node.name: pool.submit(_machine, node, len(nodes), deadline) for node in nodes}
            for name, ready in waiting.items():
                try:
                    ready.result()
                except MachineError as problem:
                    raise MachineError(f"{problem}\n{console_tail(lab, name)}") from None
            serving.result()
        with progress.step("waiting for every etcd member"):
            for node in nodes:
                eventually(
                    lambda name=node.name: lab.etcd.healthy(name),  # type: ignore[misc]
                    deadline.left(),
                    f"etcd on {node.name} is healthy",
                    every=POLL,
                )


def console_tail(lab: Lab, name: str, lines: int = 15) -> str:
    """The last lines of a machine's console, for an error message."""
    console = lab.specs[name].console
    if not console.exists():
        return f"{name} has no console log"
    tail = console.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"the end of {console}:", *(f"  {line}" for line in tail)])


def _machine(node: Node, machines: int, deadline: Deadline) -> None:
    def answers() -> bool:
        return node.run("true", timeout=max(deadline.left(), 1)).ok

    eventually(answers, deadline.left(), f"{node.name} answers SSH", every=POLL, ignoring=(ConnectionLost,))
    left = max(1, int(deadline.left()))
    node.run(CHECK.format(within=left, machines=machines), timeout=left + 10)
