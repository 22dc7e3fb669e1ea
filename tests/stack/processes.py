"""Programs of the stack as processes of a test, each with its log, ended with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.stack.conftest import wait_for

STACK = Path(__file__).resolve().parents[2] / "provision" / "stack"


@dataclass
class Program:
    """A running program and what it has logged."""

    process: subprocess.Popen[bytes]
    log: Path

    def logged(self, text: str, within: float = 20, times: int = 1) -> None:
        wait_for(
            lambda: self.log.read_text().count(text) >= times, within, f"{text!r} in\n{self.log.read_text()}"
        )

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(5), time.monotonic() - started


Start = Callable[..., Program]


@contextlib.contextmanager
def starter(folder: Path, **defaults: str) -> Iterator[Start]:
    """`start(name, words, **environment)` runs Python with the stack and these words; logs go to `folder`."""
    running: list[Program] = []

    def go(name: str, words: list[str], **environment: str) -> Program:
        log = folder / f"{name}-{len(running)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-S", *words],
                env={**os.environ, "PYTHONPATH": str(STACK), **defaults, **environment},
                stderr=out,
            )
        running.append(Program(process, log))
        return running[-1]

    yield go
    for program in running:
        program.process.kill()
        program.process.wait()
