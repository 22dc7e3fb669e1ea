"""The tables that fleetctl prints become data that a test can ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import MachineError
from lab.fleet import Unit, units_from

NAMES = st.from_regex(r"[a-z][a-z0-9@-]{0,20}\.service", fullmatch=True)
ADDRESSES = st.ip_addresses(v=4).map(str)
STATES = st.sampled_from([("active", "running"), ("activating", "start-pre"), ("failed", "failed")])


def test_a_running_unit_knows_its_machine() -> None:
    table = "apache.service\t028d8d74.../10.1.0.101\tactive\trunning\n"
    assert units_from(table) == {"apache.service": Unit("apache.service", "10.1.0.101", "active", "running")}
    assert units_from(table)["apache.service"].running


def test_columns_are_filled_with_any_number_of_tabs() -> None:
    table = "a.service\t\t\t028d8d74.../10.1.0.101\tinactive\tdead\nlonger-name.service\t-\t\t-\t-\n"
    units = units_from(table)
    assert units["a.service"].sub == "dead"
    assert not units["a.service"].running
    assert units["longer-name.service"].machine == ""


def test_no_unit_is_no_row() -> None:
    assert units_from("") == {}


def test_a_unit_on_two_machines_is_an_error_that_names_both() -> None:
    row = "apache.service\t028d8d74.../10.1.0.{}\tactive\trunning\n"
    with pytest.raises(MachineError, match=r"apache.service twice: 10.1.0.101 and .*10.1.0.103"):
        units_from(row.format(101) + row.format(103))


@given(st.dictionaries(NAMES, st.tuples(ADDRESSES, STATES), max_size=8))
def test_every_row_is_one_unit(rows: dict[str, tuple[str, tuple[str, str]]]) -> None:
    table = "".join(
        f"{name}\t0123abcd.../{place}\t{active}\t{sub}\n" for name, (place, (active, sub)) in rows.items()
    )
    found = units_from(table)
    assert {unit.name: (unit.machine, (unit.active, unit.sub)) for unit in found.values()} == rows
