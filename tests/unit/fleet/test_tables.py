"""fleetctl's tables, tab for tab."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.ctl.table import table


def test_columns_are_filled_with_tabs_to_the_next_eight_past_the_longest() -> None:
    rows = [
        ["apache.service", "a1b11111.../10.132.0.101", "active", "running"],
        ["x.service", "-", "failed", "failed"],
    ]
    assert table(["UNIT", "MACHINE", "ACTIVE", "SUB"], rows) == (
        "UNIT\t\tMACHINE\t\t\t\tACTIVE\tSUB\n"
        "apache.service\ta1b11111.../10.132.0.101\tactive\trunning\n"
        "x.service\t-\t\t\t\tfailed\tfailed\n"
    )


def test_without_a_header_only_the_rows_count() -> None:
    assert table(None, [["a", "b"]]) == "a\tb\n"
    assert table(None, []) == ""


@given(st.lists(st.lists(st.text("abc", max_size=30), min_size=3, max_size=3), min_size=1))
def test_cells_of_a_column_start_below_each_other(rows: list[list[str]]) -> None:
    lines = table(None, rows).splitlines()
    starts = set()
    for line, row in zip(lines, rows, strict=True):
        assert [cell for cell in line.split("\t") if cell] == [cell for cell in row if cell]
        starts.add(len(line.removesuffix(row[2]).expandtabs(8)))
    assert len(starts) == 1
