"""fleet's cluster for the tests of one module: a fresh lab, and no unit left from the test before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.running import Lab
from tests.machines.fleet.cluster import Cluster


@pytest.fixture(scope="module")
def machines(request: pytest.FixtureRequest) -> Cluster:
    """The lab's machines, as they first came up."""
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    lab: Lab = request.getfixturevalue("fresh_lab")
    return Cluster(lab)


@pytest.fixture
def fleet(machines: Cluster, lab: Lab) -> Iterator[Cluster]:
    """The cluster without units, before and after."""
    yield machines
    machines.clear()
