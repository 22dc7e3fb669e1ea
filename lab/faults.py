"""Things that go wrong with a machine, each as a block that heals whatever happens inside it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.errors import MachineError
from lab.node import ConnectionLost
from lab.running import Lab
from lab.waiting import eventually

HEALTHY_WITHIN = 120.0  # seconds: a machine that lost power waits for its own old fleet key (30 s) to expire
HEALTHY_WITHIN_EMULATED = 600.0


@dataclass(frozen=True)
class Fault:
    """What was done to which machine; `at` is the moment on the monotonic clock just before it."""

    kind: str
    machine: str
    at: float

    def elapsed(self) -> float:
        """Seconds since the fault."""
        return time.monotonic() - self.at


@contextlib.contextmanager
def power_loss(lab: Lab, name: str) -> Iterator[Fault]:
    """Take a machine's power away at once; it is started again when the block is left."""
    with _fault(lab, "power loss", name, lambda: lab.power_on(name)) as fault:
        lab.power_off(name)
        yield fault


@contextlib.contextmanager
def partition(lab: Lab, name: str) -> Iterator[Fault]:
    """Take a machine's private and public network away; they are back when the block is left."""
    with _fault(lab, "partition", name, lambda: lab.heal(name)) as fault:
        lab.cut(name)
        yield fault


@contextlib.contextmanager
def reboot(lab: Lab, name: str, how: Callable[[], object] | None = None) -> Iterator[Fault]:
    """Reboot a machine cleanly (by `how`, if given); the block runs meanwhile, and ends when it is back."""
    node = lab[name]
    before = node.boot_id()

    def back() -> None:
        if lab.state(name) != "running":
            lab.power_on(name)
        node.wait_for_boot(before)

    with _fault(lab, "reboot", name, back) as fault:
        if how is None:
            with contextlib.suppress(ConnectionLost):  # it may be gone before it has said so
                node.run("systemctl reboot", sudo=True, check=False, timeout=20)
        else:
            how()
        yield fault


def require_healthy(lab: Lab, when: str) -> None:
    """Return when every machine is an etcd member that can write and is in fleet's list.

    Raises MachineError that says `when` ("before the reboot of coreos-1") and what was amiss last.
    """
    __tracebackhide__ = True
    within = HEALTHY_WITHIN_EMULATED if lab.provider.emulated else HEALTHY_WITHIN
    eventually(lambda: _no_ailment(lab), within, f"the lab is healthy {when}", ignoring=(MachineError,))


def ailments(lab: Lab) -> list[str]:
    """What keeps the lab from being whole just now; nothing if all is well."""
    found = [f"{name} has no power" for name in lab.specs if lab.state(name) != "running"]
    found += [f"etcd on {name} is not healthy" for name in lab.specs if not lab.etcd.healthy(name)]
    if found:
        return found
    wanted = {str(spec.machine.private): name for name, spec in lab.specs.items()}
    listed = lab.fleet.machines()
    found += [f"fleet does not list {name}" for address, name in wanted.items() if address not in listed]
    found += [f"fleet lists {address} twice" for address in set(listed) if listed.count(address) > 1]
    return found


@contextlib.contextmanager
def _fault(lab: Lab, kind: str, name: str, heal: Callable[[], object]) -> Iterator[Fault]:
    """Health before, the fault, and then, whatever happened, its healing; health after, if all went well."""
    __tracebackhide__ = True
    require_healthy(lab, f"before the {kind} of {name}")
    fault = Fault(kind, name, time.monotonic())
    try:
        yield fault
    except BaseException:
        with contextlib.suppress(MachineError):  # the test's own failure is what the reader wants to see
            heal()
        raise
    heal()
    require_healthy(lab, f"after the {kind} of {name}")


def _no_ailment(lab: Lab) -> bool:
    __tracebackhide__ = True
    found = ailments(lab)
    if found:
        raise MachineError("; ".join(found))
    return True
