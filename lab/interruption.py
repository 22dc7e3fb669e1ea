"""Signals that end what is under way, and that no finalizer swallows."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

AGAIN = 0.05  # seconds until a signal that came at a bad moment comes again


class Again(threading.Thread):
    """Sends a signal to this process again and again, until somebody who could be ended by it says so.

    Once would not do: a signal that comes between two steps of the interpreter, the second of which is to
    wait in the kernel, has its handler called only after that wait.
    """

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.ending = False  # nothing but a name: the handler may interrupt itself at any step
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(AGAIN):
            os.kill(os.getpid(), self.number)

    def end(self) -> None:
        """Return once nothing more is sent. What was sent meanwhile finds `ending` set."""
        self.ending = True
        self._over.set()
        self.join()


def ends_by(number: int, problem: Callable[[int], BaseException]) -> Any:
    """Have a signal raise `problem(number)` in the main thread; returns the handler that there was.

    Python drops what is raised while an object is finalized, and goes on: such a moment is let pass, where
    `__del__` or `weakref.finalize` shows it.
    """
    again: list[Again] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if again and again[0].ending:
            return  # one of those that ask for the end that is under way
        if finalizes(frame):
            if not again:
                again.append(Again(number))
                again[0].start()
            return
        if again:
            again[0].end()
            again.clear()
        raise problem(number)

    return signal.signal(number, handler)


def finalizes(frame: FrameType | None) -> bool:
    """Whether an object is being finalized by this frame or one that called it."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code is weakref.finalize.__call__.__code__:
            return True
        frame = frame.f_back
    return False
