"""How a program begins and ends: arguments that are refused with exit code 2, and an end by signal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from program.log import log

ENDING = (signal.SIGTERM, signal.SIGINT)


class Usage(Exception):
    """The arguments or the environment cannot be used; the text says how to mend it."""


def run(name: str, help_text: str, main: Callable[[list[str]], None]) -> None:
    """Run `main` with the arguments; SIGTERM and SIGINT end it with exit code 0.

    `main` sees the signal as SystemExit and may clean up; a second signal does not disturb it there.
    As process 1 of a container a program gets no signal that it has no handler for.
    """
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text.strip())
        return
    for number in ENDING:
        signal.signal(number, _end)
    try:
        main(arguments)
    except Usage as error:
        print(f"{name}: {error}\nTry '{name} --help'.", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)


def _end(number: int, _frame: FrameType | None) -> None:
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    log(f"stopped by {signal.Signals(number).name}")
    sys.exit(0)
