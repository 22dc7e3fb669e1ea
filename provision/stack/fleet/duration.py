"""Durations as fleet's files and flags write them: 300ms, 1.5s, 2m30s."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds(text: str) -> float:
    """The duration in seconds. Raises ValueError for anything but numbers with units (or a bare 0)."""
    rest = text.strip()
    sign = -1.0 if rest.startswith("-") else 1.0
    rest = rest.lstrip("+-") if rest[:1] in "+-" else rest
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if not part:
            break
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    if not rest or at < len(rest):
        raise ValueError(f"invalid duration {text!r}")
    return sign * total
