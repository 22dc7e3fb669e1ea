"""A machine's clock is known to half the shortest way there and back."""

from __future__ import annotations

import pytest

from lab.clocks import best


def test_the_shortest_way_tells_most() -> None:
    offset, error = best([(10.0, 1000.9, 11.0), (20.0, 1010.05, 20.1), (30.0, 1020.0, 32.0)])
    assert offset == pytest.approx(20.05 - 1010.05)
    assert error == pytest.approx(0.05)
