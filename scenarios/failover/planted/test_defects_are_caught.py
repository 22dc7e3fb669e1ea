"""A toy stack with a defect planted in it: the measurement goes red, and says which part is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import asker, faults
from lab.breakdown import Bound, Service
from lab.measure import measure
from lab.measurement import Budget, Measurement, Stack
from lab.running import Lab
from lab.waiting import eventually, seconds
from scenarios.failover.stacks import AT_NIGHT

pytestmark = pytest.mark.fault("power-loss")
FOLDER = Path(__file__).parent
KEY = "/toy/web"
WEB, PROXY = "toy-web.service", "toy-proxy.service"
TTL, EXPIRY, ENGINE = 3.0, 0.5, 2.0  # seconds: toy_web.py's, etcd's own look, fleet's pass
UNIT = """\
[Unit]
Description=The toy stack's {script}

[Service]
EnvironmentFile=/etc/environment
ExecStart=/usr/bin/python3 -u /home/core/{script} ${{{address}}} {key} {defect}

[X-Fleet]
{place}
"""
DROP_IN = "/run/systemd/system/fleet.service.d/slow.conf"
# A machine is missed between half of its TTL and all of it after its loss, by the age of its last heartbeat:
# so much that even half of it is more than the bound, and then a key of 3 s is due before any unit moves.
SLOW_TTL = 30.0
SLOW = f"[Service]\nEnvironment=FLEET_AGENT_TTL={SLOW_TTL:.0f}s\n"
RESTART = "systemctl daemon-reload && systemctl restart fleet.service"


class Toy:
    """A web server that fleet places, and a proxy at a public address that finds it by its key."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def start(self, defect: str = "none") -> Stack:
        """Start both units anew, with a defect in them, and say how to measure them."""
        nodes = list(self.lab)
        for node in nodes:
            for script in ("toy_web.py", "toy_proxy.py"):
                node.put(FOLDER / script, f"/home/core/{script}")
        first = nodes[0]
        both = {"key": KEY, "defect": defect}
        apart = f"Conflicts={PROXY}"
        proxy = UNIT.format(script="toy_proxy.py", address="COREOS_PUBLIC_IPV4", place="", **both)
        web = UNIT.format(script="toy_web.py", address="COREOS_PRIVATE_IPV4", place=apart, **both)
        first.put(proxy, PROXY)
        first.put(web, WEB)
        self.lab.fleet.start(PROXY)
        self.lab.fleet.start(WEB)
        self.lab.fleet.wait_running(PROXY, WEB)
        eventually(lambda: self.lab.etcd.get(KEY) is not None, 30, f"{KEY} is there")
        ttl = seconds(self.lab.topology.fleet.agent_ttl)
        return Stack(
            "toy",
            self.url,
            "toy from",
            lambda: Service(WEB, (KEY,), (PROXY,)),
            (WEB, PROXY),
            {
                "detection": Bound(ttl + EXPIRY, "fleet.agent_ttl, etcd's expiry"),
                "rescheduling": Bound(ENGINE, "fleet's engine, a pass every 2 s"),
                "reconfiguration": Bound(0.05, "the proxy's look, every 50 ms"),
                "first answer": Bound(0.0, "it serves when it registers"),
            },
            key_ttl=TTL,
            slack=1.5,
        )

    def url(self) -> str:
        node = self.lab.node_at(self.lab.fleet.units()[PROXY].machine)
        return f"http://{self.lab.specs[node.name].machine.public}:8071/"

    def stop(self) -> None:
        self.lab.fleet.ctl("destroy", WEB, PROXY, check=False)
        self.lab.etcd.delete(KEY)


@pytest.fixture
def toy(lab: Lab) -> Iterator[Toy]:
    if lab.provider.emulated:
        pytest.skip("what the defects cost is told by seconds, which an emulated machine takes for anything")
    made = Toy(lab)
    yield made
    made.stop()


@pytest.fixture
def _twice_the_ttl(lab: Lab) -> Iterator[None]:
    """fleetd on every machine waits for more than twice as long as the lab's lab.yaml says."""
    for node in lab:
        node.put(SLOW, DROP_IN, sudo=True)
        node.run(RESTART, sudo=True)
    faults.require_healthy(lab, "with a slow fleet")
    yield
    for node in lab:
        node.run(f"rm -f {DROP_IN}; {RESTART}", sudo=True)
    faults.require_healthy(lab, "with fleet as it was")


def lose(toy: Toy, stack: Stack, hold: float = TTL + 3) -> Measurement:
    """Take the power from the web server's machine, and let it be told what that costs."""
    ttl = seconds(toy.lab.topology.fleet.agent_ttl)
    budget = Budget((ttl + EXPIRY + 2.0 + ENGINE + 3.0) * 1000, "agent_ttl + expiry + election + pass + work")
    # held for long enough that the key's TTL is over
    return measure(toy.lab, stack, faults.kind("power-loss"), f"machine_of({WEB})", budget, hold=hold)


def test_the_sound_stack_is_within_its_budget(toy: Toy, figure: Callable[[str, float, str], None]) -> None:
    result = lose(toy, toy.start())
    figure("outage", result.outage_ms, "ms")
    assert (result.verdict, result.why) == ("within", "")


def test_a_sidekick_that_registers_too_early_is_caught(toy: Toy) -> None:
    result = lose(toy, toy.start("early"))
    assert result.verdict == "over"
    assert "first answer took" in result.why


def test_a_ttl_that_is_never_set_is_caught(toy: Toy) -> None:
    stack = toy.start("no-ttl")
    result = lose(toy, stack)
    assert result.verdict == "over"
    assert f"{KEY} is as it was" in result.why


def test_a_probe_that_sleeps_is_caught(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "__file__", str(FOLDER / "sleepy_asker.py"))
    result = lose(toy, toy.start())
    assert result.verdict == "void"
    assert "itself stood still" in result.why


@AT_NIGHT  # what never comes back is waited for, for two minutes
def test_a_proxy_that_never_reloads_is_caught(toy: Toy) -> None:
    result = lose(toy, toy.start("no-reload"))
    assert result.verdict == "over"
    assert "without an answer" in result.why


@AT_NIGHT  # it takes half a minute more
@pytest.mark.usefixtures("_twice_the_ttl")
def test_a_scheduler_that_waits_twice_the_ttl_is_caught(toy: Toy) -> None:
    result = lose(toy, toy.start(), hold=SLOW_TTL + 3)
    assert result.verdict == "over"
    assert "detection took" in result.why
