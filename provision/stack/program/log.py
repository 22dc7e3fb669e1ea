"""Log lines on stderr, where `docker logs` and the journal find them."""

from __future__ import annotations

import sys
import time


def log(text: str) -> None:
    """Write one line with the time of day in UTC, to the millisecond."""
    now = time.time()
    clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    try:
        print(f"{clock}.{int(now % 1 * 1000):03d}Z {text}", file=sys.stderr, flush=True)
    except OSError:
        return  # nobody reads the log any more: the work goes on


class News:
    """Logs what is new: a line that says the same as the one before it is left out."""

    def __init__(self) -> None:
        self._said = ""

    def say(self, text: str) -> None:
        """Log a line, unless it was the last one."""
        if text != self._said:
            log(text)
        self._said = text
