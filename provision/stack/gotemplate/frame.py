"""What one execution of a template carries along, and the shape of all that is compiled for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

UNSET = object()  # in the place of a variable whose declaration was not reached
ABSENT = object()  # instead of a value from the command before, where there is none


class Frame:
    """What one execution of one template knows: its variables, where it writes, how deep it is."""

    __slots__ = ("depth", "variables", "write")

    def __init__(self, write: Callable[[str], object], data: object, size: int, depth: int):
        self.write = write
        self.variables: list[object] = [UNSET] * size
        self.variables[0] = data
        self.depth = depth


Evaluate: TypeAlias = Callable[[Frame, object], object]
Piped: TypeAlias = Callable[[Frame, object, object], object]  # the third is ABSENT, or the value piped in
