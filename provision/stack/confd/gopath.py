"""Go's package path: clean, join, base, dir, and the globs of path.Match."""

from __future__ import annotations

import re


class BadPattern(ValueError):
    """A glob that path.Match calls malformed."""

    def __init__(self) -> None:
        super().__init__("syntax error in pattern")


def clean(path: str) -> str:
    """The shortest equal path: no `//`, no `.`, no inner `..`; `.` for nothing."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            kept.append(part)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not rooted:
            kept.append(part)
    return ("/" if rooted else "") + "/".join(kept) or "."


def join(*parts: str) -> str:
    """The parts that are not empty, with slashes between them, cleaned; `` for nothing."""
    given = [part for part in parts if part]
    return clean("/".join(given)) if given else ""


def base(path: str) -> str:
    """The last element; `.` for nothing, `/` for slashes alone."""
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def parent(path: str) -> str:
    """All but the last element, cleaned."""
    front, slash, _last = path.rpartition("/")
    return clean(front + slash)


def glob(pattern: str) -> re.Pattern[str]:
    """The pattern compiled, for fullmatch: `*` and `?` do not cross `/`. Raises BadPattern.

    Unlike path.Match it finds a malformed pattern whatever it is matched against.
    """
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            # Stars in a row are one: a chain of them would make re try every way to share the text.
            if not out or out[-1] != "[^/]*":
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            piece, at = _class(pattern, at)
            out.append(piece)
        elif char == "\\":
            if at == len(pattern):
                raise BadPattern
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The class whose `[` stands before `at`, as a regular expression, and where it ends."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while True:
        if ranges and pattern[at : at + 1] == "]":
            break
        low, at = _class_char(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _class_char(pattern, at + 1)
        # a range from high to low matches nothing, and re would refuse it
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inside = "".join(ranges)
    if not inside:
        return (r"[\s\S]" if negated else r"(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise BadPattern
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise BadPattern
    if at + 1 >= len(pattern):  # the class never ends
        raise BadPattern
    return pattern[at], at + 1
