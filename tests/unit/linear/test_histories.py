"""A history that could have happened one by one passes, and one that could not is caught."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.linear import Act, Operation, Outcome, counted, lost_writes, stuck_at, violations


def op(
    act: Act,
    value: str | None,
    start: float,
    end: float,
    outcome: Outcome = "ok",
    expected: str | None = None,
    client: str = "a",
) -> Operation:
    return Operation(client, "/r", act, value, start, end, outcome, expected)


def test_one_after_another_is_fine() -> None:
    history = [op("write", "1", 0, 1), op("read", "1", 2, 3), op("swap", "2", 4, 5, expected="1")]
    assert stuck_at([*history, op("read", "2", 6, 7)]) is None


def test_overlapping_operations_may_be_seen_either_way() -> None:
    write = op("write", "1", 0, 10)
    assert stuck_at([write, op("read", None, 1, 2), op("read", "1", 3, 4)]) is None


def test_a_stale_read_is_caught() -> None:
    history = [op("write", "1", 0, 1), op("write", "2", 2, 3), op("read", "1", 4, 5)]
    stuck = stuck_at(history)
    assert stuck is not None
    assert stuck.act == "read"


def test_a_read_that_goes_back_is_caught() -> None:
    history = [op("write", "1", 0, 10), op("read", "1", 1, 2), op("read", None, 3, 4)]
    assert stuck_at(history) is not None


def test_a_lost_acknowledged_write_is_caught() -> None:
    assert stuck_at([op("write", "1", 0, 1), op("read", None, 2, 3)]) is not None


def test_two_swaps_from_one_value_are_caught() -> None:
    history = [
        op("write", "0", 0, 1),
        op("swap", "1", 2, 4, expected="0"),
        op("swap", "2", 2, 4, expected="0", client="b"),
    ]
    assert stuck_at(history) is not None


def test_a_write_of_unknown_outcome_may_have_been_or_not() -> None:
    unknown = op("write", "1", 0, 1, "unknown")
    assert stuck_at([unknown, op("read", None, 2, 3)]) is None
    assert stuck_at([unknown, op("read", None, 2, 3), op("read", "1", 4, 5)]) is None
    assert stuck_at([unknown, op("read", "1", 2, 3), op("read", None, 4, 5)]) is not None


def test_an_increment_of_unknown_outcome_may_be_another_s_again() -> None:
    """Both swap 0 for 1; the first has had no effect, although 1 was seen later."""
    history = [
        op("write", "0", 0, 1),
        op("swap", "1", 2, 3, "unknown", expected="0"),
        op("read", "0", 4, 5),
        op("swap", "1", 6, 7, expected="0", client="b"),
        op("read", "1", 8, 9),
    ]
    assert stuck_at(history) is None


def test_a_write_that_failed_has_no_effect() -> None:
    assert stuck_at([op("write", "1", 0, 1, "failed"), op("read", "1", 2, 3)]) is not None


def test_keys_are_checked_one_by_one_and_named() -> None:
    bad = [op("write", "1", 0, 1), op("read", None, 2, 3)]
    fine = [Operation("b", "/s", "write", "1", 0, 1), Operation("b", "/s", "read", "1", 2, 3)]
    (said,) = violations([*bad, *fine])
    assert said.startswith("/r: no order explains")


def test_acknowledged_writes_must_be_there_at_the_end() -> None:
    history = [
        Operation("a", "/set/1", "write", "x", 0, 1),
        Operation("a", "/set/2", "write", "x", 0, 1, "unknown"),
    ]
    assert lost_writes(history, ["/set/1"]) == []
    assert lost_writes(history, []) == ["/set/1, acknowledged to a, is gone"]


def test_a_counter_lies_between_what_is_sure_and_what_may_be() -> None:
    history = [op("swap", "1", 0, 1, expected="0"), op("swap", "2", 0, 1, "unknown", expected="1")]
    assert [bool(counted(history, final)) for final in (0, 1, 2, 3)] == [True, False, False, True]


def simulated(seed: int, clients: int, count: int) -> list[Operation]:
    """A history of a real register: each operation takes effect at one moment between start and end."""
    chosen = random.Random(seed)
    moments = []
    acts: list[Act] = ["write", "read", "swap"]
    for client in [f"c{number}" for number in range(clients)]:
        at = chosen.random()
        for number in range(count):
            start = at
            effect = start + chosen.random()
            at = effect + chosen.random()
            moments.append((effect, client, start, at, chosen.choice(acts), number))
            at += chosen.random() / 4
    value: str | None = None
    history = []
    for _, client, start, end, act, number in sorted(moments):
        new = f"{client}-{number}"
        if act == "write":
            value = new
            outcome: Outcome = chosen.choice(["ok", "ok", "ok", "unknown"])
            history.append(Operation(client, "/r", "write", new, start, end, outcome))
        elif act == "swap":
            history.append(Operation(client, "/r", "swap", new, start, end, "ok", value))
            value = new
        else:
            history.append(Operation(client, "/r", "read", value, start, end))
    return history


@settings(deadline=None)  # a busy host is no slow checker
@given(st.integers(0, 10_000))
def test_what_a_real_register_did_is_linearizable(seed: int) -> None:
    assert stuck_at(simulated(seed, clients=4, count=6)) is None


def test_a_long_history_is_checked_in_a_moment_and_one_wrong_read_in_it_is_found() -> None:
    history = simulated(7, clients=6, count=60)
    assert stuck_at(history) is None
    place = max(place for place, one in enumerate(history) if one.act == "read")
    read = history[place]
    history[place] = Operation(read.client, "/r", "read", "never written", read.start, read.end)
    assert stuck_at(history) is not None
