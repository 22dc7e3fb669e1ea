"""Random operations on units and machines: the cluster ends as the model says, and nothing runs twice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from lab.running import Lab
from tests.machines.fleet_churn.executor import Executor
from tests.machines.fleet_churn.model import Operation, operations

SHORT = 40
PLANT = "/run/systemd/system"


@pytest.fixture(scope="module")
def churn(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    lab: Lab = request.getfixturevalue("fresh_lab")
    executor = Executor(lab)
    executor.set_up()
    yield executor
    executor.tear_down()


def test_the_cluster_is_what_the_operations_say(
    churn: Executor,
    pytestconfig: pytest.Config,
    figure: Callable[[str, float, str], None],
    record_property: Callable[[str, object], None],
) -> None:
    count = pytestconfig.getoption("--churn", None) or SHORT
    seed = pytestconfig.getoption("--seed", None)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    record_property("figure: seed", seed)
    print(f"seed {seed}: {count} operations")  # a failure shows it
    churn.run(operations(seed, count))
    figure("operations", len(churn.done), f"of {count}")
    figure("looks at a whole cluster", churn.samples, "")
    figure("operations typed again", churn.repeated, "")


def test_a_unit_that_runs_twice_is_seen(churn: Executor) -> None:
    unit = "churn-1.service"
    churn.carry_out(Operation("start", unit))
    churn.settle()
    runs = {machine for machine, each, _ in churn._running() if each == unit}
    other = churn.lab[next(name for name in churn.lab.specs if name not in runs)]
    other.run(f"cp /home/core/{unit} {PLANT}/ && systemctl start {unit}", sudo=True)
    try:
        with pytest.raises(AssertionError, match=f"{unit} runs on coreos-. and coreos-."):
            churn.require_single()
        assert any(f"{unit} runs on" in each for each in churn.look())
    finally:
        other.run(f"systemctl stop {unit}; rm {PLANT}/{unit}; systemctl daemon-reload", sudo=True)
    churn.settle()
