"""Log lines as confd writes them on stderr: `TIME HOST confd[PID]: LEVEL message`."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

LEVELS = ("panic", "fatal", "error", "warning", "info", "debug")
_ALIASES = {"warn": "warning"}


class BadLevel(ValueError):
    """No such level."""


class Log:
    """Writes each message that the level lets through as one line; used by several threads."""

    def __init__(self, level: str = "info") -> None:
        self._shown = frozenset[str]()
        self.set_level(level)
        self._where = f"{socket.gethostname()} {_tag(sys.argv[0])}[{os.getpid()}]"

    def set_level(self, level: str) -> None:
        """Show this level and the graver ones. Raises BadLevel."""
        name = level.lower()
        name = _ALIASES.get(name, name)
        if name not in LEVELS:
            raise BadLevel(f'not a valid level: "{level}"')
        self._shown = frozenset(LEVELS[: LEVELS.index(name) + 1])

    @property
    def shows_debug(self) -> bool:
        """Whether it is worth while to make a message for `debug`."""
        return "debug" in self._shown

    def debug(self, message: str) -> None:
        self._write("debug", message)

    def info(self, message: str) -> None:
        self._write("info", message)

    def warning(self, message: str) -> None:
        self._write("warning", message)

    def error(self, message: str) -> None:
        self._write("error", message)

    def fatal(self, message: str) -> None:
        """Only the line: whoever calls this ends the program."""
        self._write("fatal", message)

    def _write(self, level: str, message: str) -> None:
        if level not in self._shown:
            return
        text = message.replace("\r", "\\r").replace("\n", "\\n")
        line = f"{rfc3339(time.time())} {self._where}: {level.upper()} {text}\n"
        with contextlib.suppress(OSError):  # nobody reads the log any more: the work goes on
            os.write(2, line.encode("utf-8", "backslashreplace"))


def rfc3339(moment: float) -> str:
    """Local time to the second with its offset, `Z` for none."""
    local = time.localtime(moment)
    offset = local.tm_gmtoff
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset) // 60
    zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if offset else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + zone


def _tag(program: str) -> str:
    """What the shell called us: Linux gives a script its whole path instead."""
    name = os.path.basename(program)
    return "confd" if name in ("", "__main__.py", "-c", "-m") else name
