"""A signal ends what is under way, also when it comes while an object is finalized."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.interruption import Again
from lab.waiting import eventually

GOES_ON = """
del thing
time.sleep(20)
print("went on")
"""
CHECKOUT = Path(__file__).resolve().parents[3]
# Says that it has begun to finalize, and is not done with that for as long as nobody has sent the signal.
PROGRAM = """
import signal, threading, time, weakref
from lab.interruption import ends_by

class Thing:
    {finalizer}

def slow():
    print("finalizing", flush=True)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass

ends_by(signal.SIGTERM, lambda number: SystemExit(128 + number))
thing = Thing()
{weak}
{rest}
"""


@pytest.mark.parametrize(
    ("finalizer", "weak"),
    [("def __del__(self): slow()", ""), ("pass", "weakref.finalize(thing, slow)")],
    ids=["del", "finalize"],
)
def test_a_signal_that_comes_while_an_object_is_finalized_is_not_lost(finalizer: str, weak: str) -> None:
    words = [sys.executable, "-c", PROGRAM.format(finalizer=finalizer, weak=weak, rest=GOES_ON)]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "finalizing\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 128 + signal.SIGTERM
        assert program.stdout.read() == ""


def test_it_comes_again_until_it_was_heard_and_then_no_more() -> None:
    """A wait in the kernel that begins just after the signal goes on: one signal would not do."""
    came: list[float] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append(time.monotonic()))
    again = Again(signal.SIGUSR1)
    try:
        again.start()
        eventually(lambda: len(came) >= 2, 10, "it has come twice")
        again.end()
        assert not again.is_alive()
    finally:
        again.end()
        signal.signal(signal.SIGUSR1, before)


def test_nobody_sends_it_to_a_handler_that_has_come_after_it() -> None:
    came: list[str] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append("first"))
    again = Again(signal.SIGUSR1)
    try:
        signal.signal(signal.SIGUSR1, lambda *_: came.append("second"))
        again.start()
        again.join(10)
        assert not again.is_alive()
        assert came == []
    finally:
        again.end()
        signal.signal(signal.SIGUSR1, before)


def test_what_it_ends_is_ended_once() -> None:
    once = """
try:
    del thing
    time.sleep(20)
except SystemExit:
    while threading.active_count() > 1:
        time.sleep(0.01)
    print("once")
"""
    assert said(once, signal.SIGTERM) == "once\n"


def test_what_ends_the_end_of_another_leaves_both_to_be_heard_again() -> None:
    """Two signals in one finalizer: that of the one comes while the other's repetitions are ended."""
    both = """
ends_by(signal.SIGINT, lambda number: KeyboardInterrupt())
try:
    try:
        del thing
        time.sleep(20)
    except (KeyboardInterrupt, SystemExit):  # the other comes in its own time, if this was not both
        while threading.active_count() > 1:
            time.sleep(0.01)
except (KeyboardInterrupt, SystemExit):
    pass
for number in (signal.SIGINT, signal.SIGTERM):
    try:
        signal.raise_signal(number)
    except (KeyboardInterrupt, SystemExit):
        print("heard", flush=True)
"""
    assert said(both, signal.SIGTERM, signal.SIGINT) == "heard\nheard\n"


def said(rest: str, *signals: signal.Signals) -> str:
    """What a program prints that gets the signals while it finalizes an object."""
    program = PROGRAM.format(finalizer="def __del__(self): slow()", weak="", rest=rest)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "finalizing\n"
        for number in signals:
            running.send_signal(number)
        printed = running.communicate(timeout=10)[0]
        assert running.returncode == 0
        return printed


def test_at_any_other_moment_it_ends_at_once() -> None:
    program = PROGRAM.format(finalizer="pass", weak="print('here', flush=True)", rest=GOES_ON)
    with subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"here\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 128 + signal.SIGTERM
