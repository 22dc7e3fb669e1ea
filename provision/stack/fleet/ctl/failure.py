"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations

import sys


class Failure(Exception):
    """What goes to stderr and the exit code; an empty text says nothing more."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class ApiError(Exception):
    """fleetd's API said no; the text is as the original's client words it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"googleapi: Error {status}: {message}")
        self.status = status


class Unreachable(Exception):
    """There is no API at the endpoint."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def suggestion(name: str, known: list[str]) -> str:
    """A second line for a name that nobody knows; empty if nothing is near it."""
    from difflib import get_close_matches

    # Without their suffixes, in which all names are alike.
    stems = {each.rpartition(".")[0] or each: each for each in known}
    near = get_close_matches(name.rpartition(".")[0] or name, list(stems), 1, 0.6)
    return f"\nDid you mean {stems[near[0]]}?" if near else ""
