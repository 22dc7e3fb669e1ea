"""Signals that end what is under way, and that no finalizer swallows."""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

AGAIN = 0.05  # seconds until a signal that came at a bad moment comes again


class Again(threading.Thread):
    """Sends a signal to this process again and again, until its handler has raised what ends something.

    Once would not do: a signal that comes between two steps of the interpreter, the second of which is to
    wait in the kernel, has its handler called only after that wait.
    """

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.handler = signal.getsignal(number)
        self.ending = False  # no event: the handler may interrupt itself at any step of setting one

    def run(self) -> None:
        while True:
            time.sleep(AGAIN)
            if self.ending or signal.getsignal(self.number) is not self.handler:
                return
            os.kill(os.getpid(), self.number)

    def end(self) -> None:
        """Return once nothing more is sent. What was sent meanwhile finds `ending` set."""
        self.ending = True
        self.join()


def ends_by(number: int, problem: Callable[[int], BaseException]) -> Any:
    """Have a signal raise `problem(number)` in the main thread; returns the handler that there was.

    Python drops what is raised while an object is finalized, and goes on: such a moment is let pass, where
    `__del__` or `weakref.finalize` shows it.
    """
    again: list[Again] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if any(one.ending for one in again):
            return  # one of those that ask for the end that is under way
        if finalizes(frame) and (again or _repeated(again, number)):
            return
        try:
            for one in again:
                one.end()
        finally:  # another signal may end this one's end
            again.clear()
        raise problem(number)

    return signal.signal(number, handler)


def _repeated(again: list[Again], number: int) -> bool:
    """Whether a thread that repeats the signal could be started; it is in `again` then."""
    one = Again(number)
    again.append(one)
    try:
        one.start()
    except RuntimeError:
        again.remove(one)
    return bool(again)


def finalizes(frame: FrameType | None) -> bool:
    """Whether an object is being finalized by this frame or one that called it."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code is weakref.finalize.__call__.__code__:
            return True
        frame = frame.f_back
    return False
