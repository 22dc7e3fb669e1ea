"""The two ways in which things go wrong: one resource fails, or the whole program ends."""

from __future__ import annotations


class Problem(Exception):
    """A resource, or one reading of the backend, failed; the text is its one log line."""


class Fatal(Exception):
    """The program cannot go on; the text is logged at level FATAL, and the exit code is 1."""
