"""etcd keeps its promises while faults happen: one order of operations, no acknowledged write lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from lab import faults
from lab.etcd import EtcdFailed
from lab.faults import inject
from lab.linear import counted, lost_writes, violations
from lab.running import Lab
from lab.waiting import eventually
from lab.workload import COUNTER, SET, Workload
from scenarios.failover.stacks import AT_NIGHT

MEANWHILE = 40  # operations that must be acknowledged while the fault is in place
PATIENCE, PATIENCE_EMULATED = 60.0, 300.0
Figure = Callable[[str, float, str], None]
DENIED = 4  # operations that must have been tried, and not acknowledged, while nobody can promise anything
FAULTS = (
    ("leader-lost", "leader"),
    ("power-loss", "leader"),
    ("pause", "leader"),
    ("partition", "minority"),
    ("mute", "leader"),
    ("deaf", "leader"),
    ("loss", "leader"),
    ("disk-full", "follower"),
    ("clock-step", "leader"),
)
AT_NIGHT_ALONE = ("leader-lost", "blackout", "mute", "deaf")  # the run of all tests has other tests of each
WITHOUT_A_MAJORITY = (("member-stopped", "majority"), ("pause", "majority"), ("blackout", "all"))


def each(faults_of: Sequence[tuple[str, str]]) -> pytest.MarkDecorator:
    """The test that it marks is made of each of these faults."""
    return pytest.mark.parametrize(
        ("name", "target"),
        [
            pytest.param(
                *pair,
                marks=[pytest.mark.fault(pair[0]), *([AT_NIGHT] if pair[0] in AT_NIGHT_ALONE else [])],
                id="-".join(pair),
            )
            for pair in faults_of
        ],
    )


@pytest.fixture
def patience(lab: Lab) -> float:
    """Seconds in which operations are acknowledged again, once there is a leader."""
    found = PATIENCE_EMULATED if lab.provider.emulated else PATIENCE
    eventually(lab.etcd.leader, found, "etcd has a leader", ignoring=(EtcdFailed,))
    return found


@pytest.mark.claim("F3")
@each(FAULTS)
def test_operations_have_one_order_and_no_acknowledged_write_is_lost(
    lab: Lab, name: str, target: str, repetition: int, patience: float, figure: Figure
) -> None:
    kind = faults.kind(name)
    if reason := kind.available(lab):
        pytest.skip(f"{name} is not possible here: {reason}")
    with Workload(lab, seed=repetition) as work:
        work.wait_for(MEANWHILE, patience)
        with inject(lab, kind, target):
            work.wait_for(MEANWHILE, patience)
        work.wait_for(MEANWHILE, patience)
    require_promises(lab, work, figure)


@pytest.mark.claim("F3")
@each(WITHOUT_A_MAJORITY)
def test_without_a_majority_nothing_is_acknowledged(
    lab: Lab, name: str, target: str, repetition: int, patience: float, figure: Figure
) -> None:
    with Workload(lab, seed=repetition) as work:
        work.wait_for(MEANWHILE, patience)
        with inject(lab, faults.kind(name), target):
            gone = time.monotonic()
            eventually(lambda: len(work.begun_since(gone)) >= DENIED, patience, "clients ask on")
            asked = work.begun_since(gone)
        work.wait_for(MEANWHILE, patience)
    assert [one for one in asked if one.outcome == "ok"] == []
    require_promises(lab, work, figure)


def require_promises(lab: Lab, work: Workload, figure: Figure) -> None:
    """All that was acknowledged is there, and there is an order that explains what everybody was told."""
    work.require_enough()
    final = lab.etcd.get(COUNTER, quorum=True)
    assert final is not None
    figure("operations", len(work.history), "in all")
    figure("of unknown outcome", sum(one.outcome == "unknown" for one in work.history), "operations")
    assert violations(work.registers()) == []
    assert counted(work.counting(), int(final.value)) == ""
    assert lost_writes(work.singles(), {key.name for key in lab.etcd.keys(SET, quorum=True)}) == []
