"""How long an engine waits for the others where etcd has returned."""

from __future__ import annotations

import pytest

from fleet.engine import grace


@pytest.mark.parametrize(
    ("ttl", "reborn", "returned", "left"),
    [
        (30.0, None, None, 0.0),
        (30.0, 100.0, 100.0, 3.0),
        (30.0, None, 100.0, 3.0),
        (3.0, None, 100.0, 0.75),
        (3.0, 98.0, 100.0, 1.0),
        (3.0, 90.0, 99.0, 0.0),
    ],
)
def test_others_get_a_moment_to_be_back(
    ttl: float, reborn: float | None, returned: float | None, left: float
) -> None:
    assert grace(100.0, ttl, reborn, returned) == pytest.approx(left)
