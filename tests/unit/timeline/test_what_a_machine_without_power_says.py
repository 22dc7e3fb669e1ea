"""Nobody hears what a machine says that has just lost its power."""

from __future__ import annotations

from lab.recorder import without_power
from lab.timeline import Event

EVENTS = [
    Event(9.9, "unit", "web.service", "started", "", "m-1"),
    Event(10.0, "fault", "m-1,m-2", "power-loss", "", "m-1,m-2"),
    Event(10.01, "unit", "web.service", "exited", "", "m-1"),
    Event(10.02, "unit", "web.service", "exited", "", "m-3"),
    Event(10.03, "unit", "etcd.service", "exited", "", "m-2"),
    Event(12.0, "leader", "m-3", "elected", "", "m-3"),
    Event(20.0, "machine", "m-1", "expired", "", "m-1"),
    Event(25.0, "boot", "m-1", "boot", "", "m-1"),
    Event(25.1, "unit", "web.service", "exited", "", "m-1"),
    Event(26.0, "unit", "web.service", "started", "", "m-1"),
]


def test_its_last_words_are_left_out() -> None:
    heard = without_power(EVENTS)
    assert [event.at for event in EVENTS if event not in heard] == [10.01, 10.03]


def test_a_reboot_leaves_a_machine_its_voice() -> None:
    rebooted = [Event(10.0, "fault", "m-1", "reboot", "", "m-1"), *EVENTS[2:4]]
    assert without_power(rebooted) == rebooted
