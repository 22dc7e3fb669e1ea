"""Reads the commands out of a guide and types them, so that the guide and its tests cannot drift apart."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import MachineError
from lab.running import Lab

CHECKOUT = Path(__file__).resolve().parent.parent
HOST = "host"  # where a step is typed that is not typed on a machine
# Seconds for one step: three `docker push`; an emulated machine boots and joins, which alone may take 600.
WITHIN, WITHIN_EMULATED = 300.0, 900.0
END_WITHIN = 30.0  # seconds in which a step that is late ends, and leaves nothing half made
FENCE = re.compile(r"^```sh (?P<place>\S+) (?P<name>\S+)\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block of a guide that a reader types: a fence opened with ```sh PLACE NAME."""

    name: str
    place: str  # a machine, or `host`
    script: str


def steps(text: str) -> dict[str, Step]:
    """The steps of a guide, by name and in its order. Raises ValueError for a name that is there twice."""
    found: dict[str, Step] = {}
    for match in FENCE.finditer(text):
        step = Step(match["name"], match["place"], match["script"])
        if step.name in found:
            raise ValueError(f"two steps are called {step.name!r}")
        found[step.name] = step
    return found


class Reader:
    """Types the steps of a guide as a reader would: on the host, or in an SSH session with an agent."""

    def __init__(self, lab: Lab, guide: Path, tools: Path) -> None:
        self.lab = lab
        self.steps = steps(guide.read_text())
        self._tools = tools
        command = tools / "lab"  # the command itself, also in a checkout that is not installed
        command.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m lab "$@"\n')
        command.chmod(0o755)

    def types(self, name: str, *, on: str = "", instead: Mapping[str, str] | None = None) -> str:
        """Type a step, `on` another machine if the guide's own would not do; returns what was printed.

        `instead` has words of the step and what to type in their place. Raises MachineError if a line of it
        fails.
        """
        __tracebackhide__ = True
        step = self.steps[name]
        place = on or step.place
        script = f"set -e\n{step.script}"
        for word, other in (instead or {}).items():
            script = script.replace(word, other)
        words = ["bash", "-o", "pipefail", "-c", script] if place == HOST else self._session(place, script)
        within = WITHIN_EMULATED if self.lab.provider.emulated else WITHIN
        with subprocess.Popen(
            words,
            cwd=CHECKOUT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as typed:
            try:
                out, err = typed.communicate(timeout=within)
            except BaseException as problem:
                _end(typed)
                if not isinstance(problem, subprocess.TimeoutExpired):
                    raise
                raise MachineError(
                    f"step {name!r} on {place} was not done after {within:.0f} s: {problem.stdout!r}"
                ) from None
        if typed.returncode:
            said = (out + err).strip()[-2000:]
            raise MachineError(f"step {name!r} on {place} ended with {typed.returncode}; it said:\n{said}")
        return out

    def between(self, first: str, last: str) -> Iterator[str]:
        """The names of the steps from `first` to `last`."""
        names = list(self.steps)
        yield from names[names.index(first) : names.index(last) + 1]

    def _session(self, machine: str, script: str) -> list[str]:
        return [str(self._tools / "lab"), "ssh", machine, "--", script]

    def _environment(self) -> dict[str, str]:
        # Ansible is where this Python is, which a reader's shell knows by `./run shell`
        path = f"{self._tools}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "LAB_NAME": self.lab.name}


def _end(typed: subprocess.Popen[str]) -> None:
    """End a step with all that it started: a `lab` that lived on would hold the lab's lock."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(typed.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            typed.wait(END_WITHIN)
            return
