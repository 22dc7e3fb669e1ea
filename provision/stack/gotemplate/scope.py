"""Which place of a frame a variable has while a template is compiled, by Go's rules of scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Scope:
    """The variables in sight at one point of a template; place 0 holds `$`.

    In a range over a slice of `interface {}` Go's errors tell that type, not the value's own. Whether a range
    goes over such a slice is known only when it runs, so each range notes it in a place of its own, and
    `boxed` tells where.
    """

    def __init__(self) -> None:
        self.size = 1
        self.dot_slot: int | None = None  # where the range that made dot notes what dot's type is
        self._names: list[tuple[str, int]] = [("$", 0)]
        self._boxed: dict[int, int] = {}

    def declare(self, name: str) -> int:
        slot = self.new_slot()
        self._names.append((name, slot))
        return slot

    def new_slot(self) -> int:
        self.size += 1
        return self.size - 1

    def find(self, name: str) -> int | None:
        """The place of the innermost variable of that name; None where only the parser let it pass."""
        return next((slot for known, slot in reversed(self._names) if known == name), None)

    def mark_boxed(self, name: str, slot: int) -> None:
        place = self.find(name)
        if place is not None:
            self._boxed[place] = slot

    def boxed(self, slot: int) -> int | None:
        return self._boxed.get(slot)

    def mark(self) -> int:
        return len(self._names)

    def pop(self, mark: int) -> None:
        del self._names[mark:]

    @contextmanager
    def dot(self, slot: int | None) -> Iterator[None]:
        before, self.dot_slot = self.dot_slot, slot
        yield
        self.dot_slot = before
