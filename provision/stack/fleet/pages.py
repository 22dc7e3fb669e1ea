"""Long lists in pages: each goes on behind the last row of the one before, whatever came or went since."""

from __future__ import annotations

import base64
from typing import Any

_KEYS = {"units": ("name",), "state": ("name", "machineID"), "machines": ("id",)}
_LIMIT_MAX = 1000


def page(
    collection: str, rows: list[dict[str, Any]], token: str, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """The page of these rows (sorted by their key) that the token asks for, and the next page's token.

    Both tokens may be empty: the first page, and no other. A token keeps its first page's limit.
    Raises ValueError for a token that none of ours is.
    """
    key = _KEYS[collection]
    if token:
        limit, after = _read(token, len(key))
        rows = [row for row in rows if _key(row, key) > after]
    part = rows[:limit]
    if len(rows) <= limit:
        return part, ""
    words = "|".join((str(limit), *_key(part[-1], key)))
    return part, base64.urlsafe_b64encode(words.encode()).decode()


def _key(row: dict[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in names)


def _read(token: str, width: int) -> tuple[int, tuple[str, ...]]:
    limit, *after = base64.b64decode(token, b"-_", validate=True).decode().split("|")
    if len(after) != width or not 0 < int(limit) <= _LIMIT_MAX:
        raise ValueError(token)
    return int(limit), tuple(after)
