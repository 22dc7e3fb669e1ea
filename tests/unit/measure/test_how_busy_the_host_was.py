"""A measurement knows how busy the host's processors were, and says it where it is over."""

from __future__ import annotations

import time

import pytest

from lab.processors import Load, Ticks, between, look, read

STAT = """\
cpu  100 20 60 800 50 5 15 30 40 10
cpu0 50 10 30 400 25 2 8 15 20 5
intr 1
"""


def test_all_processors_time_is_in_use_idle_or_given_to_others() -> None:
    assert read(STAT) == Ticks(busy=200, stolen=30, total=1080)


def test_what_was_done_between_two_looks_is_a_share_of_the_time_there_was() -> None:
    later = Ticks(busy=290, stolen=35, total=1180)
    assert between(read(STAT), later) == Load(busy=0.9, stolen=0.05)


def test_two_looks_within_one_tick_tell_of_nothing() -> None:
    assert between(read(STAT), read(STAT)) == Load(0.0, 0.0)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(0.974, 0.0), "97% busy"),
        (Load(0.5, 0.12), "50% busy, 12% taken by its own host"),
    ],
)
def test_it_is_said_in_percent(load: Load, said: str) -> None:
    assert str(load) == said


def test_work_is_seen_on_this_host() -> None:
    first, until = look(), time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    assert between(first, look()).busy > 0
