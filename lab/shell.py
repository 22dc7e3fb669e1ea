"""Runs a command of the host with a deadline and an error that says what went wrong."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import CommandError, MachineError

TAIL = 2000  # characters of output that an error carries: a screenful


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float = 60,
    input: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run `argv` and return its standard output.

    `env` is added to this process's environment. Raises CommandError on a non-zero exit and
    MachineError when `timeout` seconds have passed.
    """
    words = [os.fspath(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=input,
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL if input is None else None,
        )
    except subprocess.TimeoutExpired as expired:
        seen = _text(expired.stderr) or _text(expired.stdout)
        raise MachineError(
            f"`{shlex.join(words)}` was not done after {timeout:.0f} s: {seen[-TAIL:].strip() or 'no output'}"
        ) from None
    except FileNotFoundError:
        raise CommandError(shlex.join(words), 127, f"{words[0]}: not installed") from None
    if done.returncode:
        raise CommandError(shlex.join(words), done.returncode, (done.stderr or done.stdout)[-TAIL:])
    return done.stdout


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
