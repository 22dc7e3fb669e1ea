"""Tells the person at the keyboard, or the log of a night's run, what the lab is doing and for how long."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

Style = Literal["terminal", "plain", "json", "quiet"]
SLOW = 2.0  # seconds after which a step owes an explanation
REMIND = 30.0  # a log without a terminal hears from a long step this often
REDRAW = 0.2


def counted(number: int, noun: str) -> str:
    """ "1 machine", "3 machines"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Progress:
    """Steps, shown the way the reader can use: one live line, plain lines, JSON lines, or nothing.

    A step that fails is always shown, and so is every `note`, except in quiet style. `speaker` says who
    speaks, where several processes write to one terminal: then no line is live, as it would not be alone.
    """

    def __init__(self, style: Style | None = None, stream: TextIO | None = None, speaker: str = "") -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.style: Style = style or ("terminal" if self.stream.isatty() and not speaker else "plain")
        self._prefix = f"[{speaker}] " if speaker else ""
        self._running: dict[int, tuple[str, float, float]] = {}
        self._lock = threading.Lock()
        self._ticker: threading.Thread | None = None
        self._drawn = 0

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text` while the block runs, and its duration if that was worth a look."""
        start = time.monotonic()
        token = self._begin(text, start)
        try:
            yield
        except BaseException as problem:
            self._end(token, text, time.monotonic() - start, failed=type(problem).__name__)
            raise
        self._end(token, text, time.monotonic() - start)

    def note(self, text: str) -> None:
        """Say something that is no step: a choice made, a warning."""
        with self._lock:
            self._write("note", text, None)

    def _begin(self, text: str, start: float) -> int:
        with self._lock:
            token = max(self._running, default=0) + 1
            self._running[token] = (text, start, start + SLOW)
            if self.style == "json":
                self._write("begin", text, None)
            if self._ticker is None and self.style in ("terminal", "plain"):
                self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
                self._ticker.start()
        return token

    def _end(self, token: int, text: str, took: float, failed: str = "") -> None:
        with self._lock:
            del self._running[token]
            if failed:
                self._write("failed", f"{text}: failed ({failed})", took)
            elif self.style != "plain" or took >= SLOW:
                self._write("end", text, took)
            else:
                self._write("quick", text, took)

    def _tick(self) -> None:
        while True:
            time.sleep(REDRAW)
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                now = time.monotonic()
                if self.style == "terminal":
                    self._draw(now)
                    continue
                for token, (text, start, due) in self._running.items():
                    if now >= due:
                        self._write("running", text, now - start)
                        self._running[token] = (text, start, now + REMIND)

    def _draw(self, now: float) -> None:
        parts = [f"{text} {now - start:.0f} s" for text, start, _ in self._running.values()]
        line = " | ".join(parts)[:110]
        self.stream.write("\r\x1b[K" + line)
        self.stream.flush()
        self._drawn = len(line)

    def _write(self, kind: str, text: str, took: float | None) -> None:
        if self.style == "quiet":
            return
        if self.style == "json":
            event = {"event": kind, "text": text}
            line = json.dumps(event if took is None else {**event, "seconds": round(took, 3)})
        elif took is None:
            line = text
        elif kind == "running":
            line = f"{text} ... {took:.0f} s so far"
        else:
            line = f"{text}: {took:.1f} s"
        erase = "\r\x1b[K" if self._drawn else ""
        self._drawn = 0
        self.stream.write(erase + self._prefix + line + "\n")
        self.stream.flush()
