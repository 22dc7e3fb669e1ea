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


def ends_by(number: int, problem: Callable[[int], BaseException]) -> Any:
    """Have a signal raise `problem(number)` in the main thread; returns the handler that there was.

    Python drops what is raised while an object is finalized, and goes on: such a moment is let pass, where
    `__del__` or `weakref.finalize` shows it.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        if not finalizes(frame):
            raise problem(number)
        later = threading.Timer(AGAIN, os.kill, (os.getpid(), number))
        later.daemon = True
        later.start()

    return signal.signal(number, handler)


def finalizes(frame: FrameType | None) -> bool:
    """Whether an object is being finalized by this frame or one that called it."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code is weakref.finalize.__call__.__code__:
            return True
        frame = frame.f_back
    return False
