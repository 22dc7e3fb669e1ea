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
