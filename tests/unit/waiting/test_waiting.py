"""Waiting: look first, then often, give up in time, and say what was seen last."""

from __future__ import annotations

import time
from itertools import count

import pytest

from lab.errors import MachineError
from lab.waiting import Deadline, eventually, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300ms", 0.3), ("30s", 30), ("2m", 120), ("1m30s", 90), ("1.5s", 1.5), ("1h", 3600), (7, 7.0)],
)
def test_durations_are_read(text: float | str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "soon", "30", "s", "3 s x", "-1s", "1s30"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


def test_what_is_true_already_takes_no_time() -> None:
    start = time.monotonic()

    assert eventually(lambda: "there", within="10s", every=5) == "there"

    assert time.monotonic() - start < 1


def test_what_comes_true_is_returned() -> None:
    numbers = count()

    assert eventually(lambda: next(numbers) >= 3, within="5s", every=0.001)


def test_what_never_comes_true_is_given_up_in_time_and_told() -> None:
    start = time.monotonic()

    with pytest.raises(MachineError, match=r"the door is open: not within 0\.2 s; seen last: 0"):
        eventually(lambda: 0, within="200ms", what="the door is open")

    assert 0.2 <= time.monotonic() - start < 1


def test_a_condition_is_looked_at_once_more_when_time_is_up() -> None:
    start = time.monotonic()

    assert eventually(lambda: time.monotonic() - start >= 0.1, within=0.1, every=10)


def test_an_error_that_may_pass_is_not_yet_and_is_told_in_the_end() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(MachineError, match="seen last: ConnectionRefusedError: nobody listens"):
        eventually(refused, within=0.05, ignoring=(OSError,))


def test_any_other_error_ends_the_wait_at_once() -> None:
    def broken() -> bool:
        raise ZeroDivisionError

    start = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        eventually(broken, within="10s", ignoring=(OSError,))

    assert time.monotonic() - start < 1


def test_a_deadline_never_has_less_than_nothing_left() -> None:
    deadline = Deadline("1ms")
    eventually(deadline.expired, within=1, every=0.001)

    assert deadline.left() == 0.0
