"""etcd keeps its promises while faults happen: one order of operations, no acknowledged write lost."""

from __future__ import annotations

from collections.abc import Callable

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
FAULTS = (
    ("leader-lost", "leader"),
    ("power-loss", "leader"),
    ("pause", "leader"),
    ("partition", "minority"),
    ("mute", "leader"),
    ("deaf", "leader"),
    ("loss", "leader"),
)


@pytest.mark.claim("F3")
@pytest.mark.parametrize(
    ("name", "target"),
    [
        pytest.param(
            *pair,
            marks=[pytest.mark.fault(pair[0]), *([AT_NIGHT] if pair[0] == "leader-lost" else [])],
            id="-".join(pair),
        )
        for pair in FAULTS
    ],
)
def test_operations_have_one_order_and_no_acknowledged_write_is_lost(
    lab: Lab, name: str, target: str, repetition: int, figure: Callable[[str, float, str], None]
) -> None:
    patience = PATIENCE_EMULATED if lab.provider.emulated else PATIENCE
    eventually(lab.etcd.leader, patience, "etcd has a leader", ignoring=(EtcdFailed,))
    with Workload(lab, seed=repetition) as work:
        work.wait_for(MEANWHILE, patience)
        with inject(lab, faults.kind(name), target):
            work.wait_for(MEANWHILE, patience)
        work.wait_for(MEANWHILE, patience)
    work.require_enough()

    final = lab.etcd.get(COUNTER, quorum=True)
    assert final is not None
    figure("operations", len(work.history), "in all")
    figure("of unknown outcome", sum(one.outcome == "unknown" for one in work.history), "operations")
    assert violations(work.registers()) == []
    assert counted(work.counting(), int(final.value)) == ""
    assert lost_writes(work.singles(), {key.name for key in lab.etcd.keys(SET, quorum=True)}) == []
