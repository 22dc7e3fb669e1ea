"""A machine's clock is known to half the shortest way there and back, and no step or pause of it misleads."""

from __future__ import annotations

import pytest

from lab.clocks import Offset, Step, best, placed, unstepped
from lab.faults import ledger
from lab.recorder import steps_of

FIRST, LAST = Offset("a", 100.0, 0.01, 50.0), Offset("a", 105.0, 0.01, 55.0)


def test_the_shortest_way_tells_most() -> None:
    wall, uptime, error = best(
        [(10.0, (1000.9, 3.0), 11.0), (20.0, (1010.05, 12.0), 20.1), (30.0, (1020.0, 22.0), 32.0)]
    )
    assert wall == pytest.approx(20.05 - 1010.05)
    assert uptime == pytest.approx(20.05 - 12.0)
    assert error == pytest.approx(0.05)


@pytest.mark.parametrize(("said", "was"), [(7.0, 7.0), (72.0, 12.0), (16.0, 16.0)])
def test_what_a_clock_says_while_it_is_ahead_is_put_back(said: float, was: float) -> None:
    assert unstepped(said, [Step(10.0, 15.0, 60.0)]) == was


@pytest.mark.parametrize(("said", "was"), [(7.0, 7.0), (-48.0, 12.0), (16.0, 16.0)])
def test_what_a_clock_says_while_it_is_behind_is_put_forward(said: float, was: float) -> None:
    assert unstepped(said, [Step(10.0, 15.0, -60.0)]) == was


def test_the_clock_of_a_machine_that_stood_still_is_behind_from_then_on() -> None:
    pauses = [60.0]
    assert placed(9.0, [FIRST, LAST], pauses) == 59.0
    assert placed(11.0, [FIRST, LAST], pauses) == 66.0
    assert placed(11.0, [FIRST, LAST]) == 61.0, "nobody has paused it: the first is as good as the last"


def test_steps_are_those_that_have_ended() -> None:
    def moment(at: float, event: str, mark: str) -> ledger.Moment:
        return ledger.Moment(at, event, "clock-step", "coreos-1", mark, "-1m")

    moments = [moment(10.0, "inject", "one"), moment(15.0, "healed", "one"), moment(20.0, "inject", "two")]
    assert steps_of(moments) == [Step(10.0, 15.0, -60.0)]
