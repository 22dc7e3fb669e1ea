"""Tables as Go's tabwriter lays them out for fleetctl: cells filled with TABs to multiples of eight."""

from __future__ import annotations

_TAB = 8


def table(header: list[str] | None, rows: list[list[str]]) -> str:
    """The text of a table, a line end after each row; the last column is not filled."""
    lines = ([header] if header is not None else []) + rows
    if not lines:
        return ""
    count = len(lines[0])
    widths = [_width(max(len(line[column]) for line in lines)) for column in range(count - 1)]
    return "".join(
        "".join(_filled(cell, width) for cell, width in zip(line, widths, strict=False)) + line[-1] + "\n"
        for line in lines
    )


def _width(longest: int) -> int:
    return (longest + 1 + _TAB - 1) // _TAB * _TAB


def _filled(cell: str, width: int) -> str:
    return cell + "\t" * ((width - len(cell) + _TAB - 1) // _TAB)
