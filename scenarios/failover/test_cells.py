"""Which cells clients cannot measure on which machines. Needs no lab."""

from __future__ import annotations

import pytest

from scenarios.failover.cells import Cell, nothing
from scenarios.failover.stacks import WORK, WORK_EMULATED, Times


@pytest.mark.parametrize(
    ("emulated", "agent_ttl", "front_boots", "barred"),
    [
        (True, 30.0, True, True),
        (True, 30.0, False, False),
        (True, 600.0, True, False),
        (False, 30.0, True, False),
    ],
)
def test_what_clients_ask_may_move_where_machines_boot_for_longer_than_fleet_waits(
    emulated: bool, agent_ttl: float, front_boots: bool, barred: bool
) -> None:
    work = WORK_EMULATED if emulated else WORK
    known = Times(agent_ttl, 2.0, work, 1.0, 0.5, emulated, ())
    reason = Cell("blackout", "all", nothing, front_boots=front_boots).barred(known)
    assert bool(reason) == barred
    assert not barred or "agent_ttl of 30 s" in reason
