"""Go's format strings: verbs, flags, width, precision, argument numbers, and what mistakes look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gotemplate.printing import PLAIN, Flags, form
from gotemplate.values import INT, NIL, kind, type_name

MAX_NUMBER = 1_000_000  # a greater width or precision is a mistake; Go's bound is a digit looser

_FLAGS = {"+": "plus", "-": "minus", "#": "sharp", " ": "space", "0": "zero"}
_DIGITS = re.compile("[0-9]*")


def sprintf(text: str, values: Sequence[object]) -> str:
    """The format string with its verbs replaced.

    Raises printing.TooDeep.
    """
    return _Formatter(text, values).run()


@dataclass
class _Spec:
    """What one % says as it is read."""

    flags: dict[str, bool]
    width: int | None = None
    precision: int | None = None
    after_index: bool = False  # an argument number was the last thing read
    good: bool = True  # no argument number was wrong


class _Formatter:
    def __init__(self, text: str, values: Sequence[object]):
        self._text = text
        self._values = values
        self._at = 0
        self._arg = 0
        self._reordered = False
        self._out: list[str] = []

    def run(self) -> str:
        text, out = self._text, self._out
        while True:
            percent = text.find("%", self._at)
            if percent < 0:
                out.append(text[self._at :])
                break
            out.append(text[self._at : percent])
            self._at = percent + 1
            self._verb(self._spec())
        if not self._reordered and self._arg < len(self._values):
            extra = ", ".join(_extra(value) for value in self._values[self._arg :])
            out.append(f"%!(EXTRA {extra})")
        return "".join(out)

    def _spec(self) -> _Spec:
        spec = _Spec({})
        while self._peek() in _FLAGS and self._peek():
            spec.flags[_FLAGS[self._peek()]] = True
            self._at += 1
        self._index(spec)
        if self._peek() == "*":
            self._at += 1
            spec.width = self._star()
            if spec.width is None:
                self._out.append("%!(BADWIDTH)")
            elif spec.width < 0:
                spec.width, spec.flags["minus"] = -spec.width, True
            spec.after_index = False
        else:
            spec.width = self._number()
            if spec.after_index and spec.width is not None:
                spec.good = False
        if self._peek() == "." and self._at + 1 < len(self._text):
            self._at += 1
            if spec.after_index:
                spec.good = False
            self._index(spec)
            self._precision(spec)
        if not spec.after_index:
            self._index(spec)
        return spec

    def _precision(self, spec: _Spec) -> None:
        if self._peek() != "*":
            spec.precision = self._number() or 0
            return
        self._at += 1
        precision = self._star()
        spec.precision = precision if precision is not None and precision >= 0 else None
        if precision is None or precision < 0:
            self._out.append("%!(BADPREC)")
        spec.after_index = False

    def _verb(self, spec: _Spec) -> None:
        verb = self._peek()
        self._at += 1
        if not verb:
            self._out.append("%!(NOVERB)")
        elif verb == "%":
            self._out.append("%")
        elif not spec.good:
            self._out.append(f"%!{verb}(BADINDEX)")
        elif self._arg >= len(self._values):
            self._out.append(f"%!{verb}(MISSING)")
        else:
            self._out.append(form(self._values[self._arg], verb, _flags(spec, verb)))
            self._arg += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _number(self) -> int | None:
        """The digits here, if any; a number too large swallows the rest of the format, as in Go."""
        digits = _DIGITS.match(self._text, self._at)
        assert digits is not None
        if not digits.group():
            return None
        if len(digits.group().lstrip("0")) > 7 or int(digits.group()) > MAX_NUMBER:
            self._at = len(self._text)
            return None
        self._at = digits.end()
        return int(digits.group())

    def _star(self) -> int | None:
        """The argument that a `*` takes for its number; None if it is none."""
        if self._arg >= len(self._values):
            return None
        value = self._values[self._arg]
        self._arg += 1
        if kind(value) != INT or not isinstance(value, int) or abs(value) > MAX_NUMBER:
            return None
        return int(value)

    def _index(self, spec: _Spec) -> None:
        """An argument number like [2], if there is one here."""
        spec.after_index = False
        if self._peek() != "[":
            return
        self._reordered = True
        close = self._text.find("]", self._at)
        if close < 0:
            spec.good = False
            self._at += 1
            return
        digits = self._text[self._at + 1 : close]
        self._at = close + 1
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 8
        if is_number and 0 < int(digits) <= len(self._values):
            self._arg = int(digits) - 1
            spec.after_index = True
        else:
            spec.good = False
            spec.after_index = is_number


def _flags(spec: _Spec, verb: str) -> Flags:
    given = dict(spec.flags)
    if given.get("minus"):
        given["zero"] = False
    if verb == "v":
        given["sharp_v"], given["plus_v"] = given.pop("sharp", False), given.pop("plus", False)
    elif not given and spec.width is None and spec.precision is None:
        return PLAIN
    return Flags(**given, width=spec.width, precision=spec.precision)


def _extra(value: object) -> str:
    return "<nil>" if kind(value) == NIL else f"{type_name(value)}={form(value, 'v', PLAIN)}"
