"""The article's times, second by second on a clock of their own: no host is so busy that it shows here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from dockerapi import Docker
from dockreg import sidekick
from dockreg.sidekick import Instance, Sidekick, Times
from etcdv2.sync import Client


class Over(Exception):
    """The test has seen enough."""


@dataclass
class World:
    """An application that answers after `takes()` seconds, an etcd that notes what it is told, and time."""

    takes: Callable[[float], float]
    ends: float
    now: float = 0.0
    asked: list[float] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.ends:
            raise Over

    def complaint(self, port: int, limit: float) -> str:
        self.asked.append(self.now)
        takes = self.takes(self.now)
        self.wait(min(takes, limit))
        return "" if takes < limit else "no answer"

    def set(self, key: str, value: str, ttl: int) -> None:
        raise AssertionError("the key was there all the time")

    def refresh(self, key: str, ttl: int, *, prev_value: str) -> None:
        self.told.append((self.now, f"prolonged for {ttl} s"))

    def delete(self, key: str, *, prev_value: str) -> None:
        self.told.append((self.now, "removed"))

    def container(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(published=lambda port, ip: "10.1.0.101:49155")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Lets dockreg run for `ends` seconds with the article's times beside such an application."""

    def run(takes: Callable[[float], float], ends: float) -> World:
        world = World(takes, ends)
        monkeypatch.setattr(sidekick, "time", world)
        monkeypatch.setattr(sidekick, "complaint", world.complaint)
        made = Sidekick(Instance("apache", 80, "/service"), cast(Docker, world), cast(Client, world), Times())
        monkeypatch.setattr(made, "_pause", world)
        with pytest.raises(Over):
            made.serve()
        return world

    return run


@pytest.mark.claim("B4")
@pytest.mark.parametrize("takes", [0.0, 2.0, 2.9])
def test_it_is_asked_every_five_seconds_however_slowly_it_answers(
    live: Callable[..., World], takes: float
) -> None:
    world = live(lambda now: takes, 24)
    assert world.asked == [0, 5, 10, 15, 20]
    assert world.told == [(asked + takes, "prolonged for 20 s") for asked in world.asked]


@pytest.mark.claim("B11")
@pytest.mark.parametrize("hangs_at", [5.1, 7.5, 9.9])
def test_one_that_hangs_has_three_seconds_and_loses_its_key_within_eight(
    live: Callable[..., World], hangs_at: float
) -> None:
    world = live(lambda now: 60.0 if now >= hangs_at else 0.0, 30)
    gone = next(at for at, what in world.told if what == "removed")
    assert gone == 10 + 3
    assert hangs_at + 3 < gone < hangs_at + 8
