"""What the programs have in common: arguments that are refused with exit code 2, and an end by signal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from ambassador.log import log


class Usage(Exception):
    """The arguments or the environment cannot be used; the text says how to mend it."""


def run(name: str, help_text: str, main: Callable[[list[str]], None]) -> None:
    """Run `main` with the arguments; SIGTERM and SIGINT end it with exit code 0.

    As process 1 of a container a program gets no signal that it has no handler for.
    """
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text.strip())
        return
    for number in (signal.SIGTERM, signal.SIGINT):
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
    log(f"stopped by {signal.Signals(number).name}")
    sys.exit(0)
