"""The churn's model: what it generates is fair, what it expects follows, and its checker complains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.machines.fleet_churn.model import (
    EMPTY,
    FAULTS,
    MACHINES,
    UNITS,
    Operation,
    Placed,
    State,
    complaints,
    doubles,
    operations,
)

SEEDS = st.integers(0, 10**6)
COUNTS = st.integers(1, 300)
PLAIN = "churn-1.service"


def after(done: list[Operation]) -> State:
    state = EMPTY
    for operation in done:
        state = state.after(operation)
    return state


def right(state: State) -> Placed:
    """A placement that is as the model says."""
    found = set()
    for unit, kind in UNITS.items():
        if not state.runs(unit):
            continue
        if kind.is_global:
            found |= {(machine, unit) for machine in MACHINES}
        else:
            found.add((MACHINES[1] if unit == "churn-right.service" else MACHINES[0], unit))
    return frozenset(found)


@given(SEEDS, COUNTS)
def test_a_seed_gives_the_same_operations(seed: int, count: int) -> None:
    assert operations(seed, count) == operations(seed, count)
    assert len(operations(seed, count)) == count


@given(SEEDS, COUNTS)
def test_two_machines_are_whole_at_any_time_and_all_in_the_end(seed: int, count: int) -> None:
    state = EMPTY
    for operation in operations(seed, count):
        if operation.verb in FAULTS:
            assert not state.cut
        if operation.verb == "heal":
            assert state.cut == operation.target
        state = state.after(operation)
    assert not state.cut


@given(SEEDS, COUNTS)
def test_no_unit_is_told_to_stop_that_is_wanted_and_has_no_place(seed: int, count: int) -> None:
    state = EMPTY
    for operation in operations(seed, count):
        assert not (operation.verb == "stop" and state.waits(operation.target))
        state = state.after(operation)


def test_every_kind_of_operation_comes_up() -> None:
    verbs = {operation.verb for operation in operations(1, 500)}
    assert verbs == {"start", "stop", "unload", "destroy", "submit", "reboot", "reset", "cut", "heal"}


@given(SEEDS, COUNTS)
def test_an_operation_on_a_unit_done_twice_changes_nothing_more(seed: int, count: int) -> None:
    state = EMPTY
    for operation in operations(seed, count):
        state = state.after(operation)
        if operation.target in UNITS:
            assert state.after(operation) == state


@given(SEEDS, COUNTS, st.sampled_from(sorted(UNITS)))
def test_what_a_unit_was_told_last_counts(seed: int, count: int, unit: str) -> None:
    state = after(operations(seed, count))
    assert state.after(Operation("start", unit)).desired[unit] == "launched"
    assert unit not in state.after(Operation("destroy", unit)).desired
    stopped = state.after(Operation("stop", unit)).desired.get(unit)
    known = state.desired.get(unit)
    asked = known == "launched" or (known is not None and UNITS[unit].is_global)
    assert stopped == ("loaded" if asked else known)
    unloaded = state.after(Operation("unload", unit)).desired.get(unit)
    assert unloaded == ("inactive" if unit in state.desired else None)


@given(SEEDS, COUNTS)
def test_no_complaint_about_a_cluster_that_is_right(seed: int, count: int) -> None:
    state = after(operations(seed, count))
    placed = right(state)
    assert complaints(state, state.desired, placed, placed, MACHINES) == []


@given(SEEDS, COUNTS, st.data())
def test_a_unit_that_is_lost_or_too_many_is_complained_of(seed: int, count: int, data: st.DataObject) -> None:
    state = after(operations(seed, count))
    placed = right(state)
    row = data.draw(st.sampled_from([(machine, unit) for machine in MACHINES for unit in sorted(UNITS)]))
    wrong = placed ^ {row}
    assert complaints(state, state.desired, wrong, wrong, MACHINES)


@given(SEEDS, COUNTS, st.sampled_from(sorted(UNITS)))
def test_another_target_state_is_complained_of(seed: int, count: int, unit: str) -> None:
    state = after(operations(seed, count))
    placed = right(state)
    other = {**state.desired, unit: "loaded" if state.desired.get(unit) == "inactive" else "inactive"}
    assert complaints(state, other, placed, placed, MACHINES)


def test_a_unit_that_runs_twice_is_complained_of() -> None:
    twice = frozenset({(MACHINES[0], PLAIN), (MACHINES[2], PLAIN)})
    state = State({PLAIN: "launched"})
    assert doubles(twice) == [f"{PLAIN} runs on coreos-1 and coreos-3"]
    assert complaints(state, state.desired, twice, twice, MACHINES) == doubles(twice)


def test_a_global_unit_runs_everywhere_without_complaint() -> None:
    assert doubles((machine, "churn-all.service") for machine in MACHINES) == []


def test_what_only_fleet_or_only_systemd_knows_of_is_complained_of() -> None:
    state = State({PLAIN: "launched"})
    placed = frozenset({(MACHINES[0], PLAIN)})
    assert complaints(state, state.desired, placed, frozenset(), MACHINES)


def test_rivals_side_by_side_are_complained_of() -> None:
    state = State({"churn-left.service": "launched", "churn-right.service": "launched"})
    placed = frozenset((MACHINES[0], unit) for unit in state.desired)
    assert any("beside" in each for each in complaints(state, state.desired, placed, placed, MACHINES))
