"""The engine's plan: the article's six units, and properties that hold for every cluster."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.agent_plan import assignments
from fleet.cluster import INACTIVE, LAUNCHED, Cluster, Machine, Unit
from fleet.engine_plan import Move, plan
from fleet.placement import Company, Tenant, obstacle
from fleet.requirements import Requirements, matches, read
from fleet.unitfile import parse


def unit(name: str, text: str = "", desired: str = LAUNCHED, target: str | None = None) -> Unit:
    file = parse(f"[Service]\nExecStart=/bin/true\n[X-Fleet]\n{text}\n")
    return Unit(name, file, read(name, file), desired, target)


def cluster(machines: str, *units: Unit) -> Cluster:
    return Cluster({each: Machine(each) for each in machines.split()}, {each.name: each for each in units})


def carried_out(before: Cluster, moves: list[Move]) -> Cluster:
    units = dict(before.units)
    for move in moves:
        assert units[move.unit].target == move.old
        units[move.unit] = replace(units[move.unit], target=move.new)
    return Cluster(before.machines, units)


def targets(state: Cluster) -> dict[str, str | None]:
    return {name: each.target for name, each in state.units.items()}


TRIO = (
    unit("apache.service"),
    unit("etcd-amb-apache.service", "X-ConditionMachineOf=apache.service"),
    unit("apache-docker-reg.service", "X-ConditionMachineOf=etcd-amb-apache.service"),
)
CONSUMERS = (
    unit("etcd-amb-apache2.service", "X-Conflicts=apache.service"),
    unit("apache-dyn-amb.service", "X-ConditionMachineOf=etcd-amb-apache2.service"),
    unit("haproxy.service", "X-ConditionMachineOf=apache-dyn-amb.service"),
)


def test_the_articles_units_share_two_machines_and_leave_the_third_when_one_is_lost() -> None:
    first = carried_out(start := cluster("m1 m2 m3", *TRIO, *CONSUMERS), plan(start))
    home, other = first.units["apache.service"].target, first.units["haproxy.service"].target
    assert {first.units[each.name].target for each in TRIO} == {home}
    assert {first.units[each.name].target for each in CONSUMERS} == {other}
    assert home != other

    left = {name: machine for name, machine in first.machines.items() if name != home}
    lost = Cluster(left, first.units)
    second = carried_out(lost, plan(lost))
    (third,) = set(left) - {other}
    assert {second.units[each.name].target for each in TRIO} == {third}
    assert {second.units[each.name].target for each in CONSUMERS} == {other}

    back = Cluster(first.machines, second.units)
    assert plan(back) == []


def test_followers_are_written_after_what_they_follow() -> None:
    waves = {move.unit: move.wave for move in plan(cluster("m1", *TRIO))}
    assert waves["apache.service"] < waves["etcd-amb-apache.service"] < waves["apache-docker-reg.service"]


def test_a_unit_that_fits_nowhere_is_left_and_placed_when_there_is_room() -> None:
    units = [unit(f"a@{each}.service", "Conflicts=a@*.service") for each in (1, 2, 3)]
    small = carried_out(start := cluster("m1 m2", *units), plan(start))
    assert list(targets(small).values()).count(None) == 1
    grown = Cluster({**small.machines, "m3": Machine("m3")}, small.units)
    moves = plan(grown)
    assert [(move.old, move.new) for move in moves] == [(None, "m3")]


def test_the_least_loaded_machine_is_taken_then_the_first_by_id() -> None:
    there = unit("there.service", target="m1")
    assert plan(cluster("m1 m2 m3", there, unit("new.service")))[0].new == "m2"


def test_a_conflict_named_by_one_side_holds_for_both() -> None:
    quiet = unit("quiet.service", target="m1")
    assert plan(cluster("m1", quiet, unit("loud.service", "Conflicts=quiet.service"))) == []
    loud = unit("loud.service", "Conflicts=quiet.service", target="m1")
    assert plan(cluster("m1", loud, unit("quiet.service"))) == []


def test_a_unit_no_longer_wanted_is_unscheduled() -> None:
    assert [move.new for move in plan(cluster("m1", unit("a.service", desired=INACTIVE, target="m1")))] == [
        None
    ]


def test_replaces_sends_the_old_one_elsewhere_and_mutual_replaces_nobody() -> None:
    old = unit("old.service", target="m1")
    new = unit("new.service", "Replaces=old.service", target="m1")
    assert [(move.unit, move.new) for move in plan(cluster("m1 m2", old, new))] == [("old.service", "m2")]
    one = unit("one.service", "Replaces=two.service", target="m1")
    two = unit("two.service", "Replaces=one.service", target="m1")
    assert plan(cluster("m1 m2", one, two)) == []
    assert plan(cluster("m1", one, replace(two, target=None))) == []


def test_machines_are_chosen_by_id_in_either_length_and_by_metadata() -> None:
    long = "0123456789abcdef" * 2
    machines = {long: Machine(long, metadata={"disk": "ssd"}), "m": Machine("m", metadata={"disk": "hdd"})}
    for text in (f"MachineID={long}", f"MachineID={long[:8]}", "MachineMetadata=disk=ssd"):
        asked = unit("a.service", text)
        assert [move.new for move in plan(Cluster(machines, {asked.name: asked}))] == [long]


def test_a_global_unit_runs_where_it_fits_and_the_engine_leaves_it_alone() -> None:
    machines = {"m1": Machine("m1", metadata={"a": "1"}), "m2": Machine("m2")}
    everywhere, picky = (
        unit("g.service", "Global=true"),
        unit("p.service", "Global=true\nMachineMetadata=a=1"),
    )
    rival = unit("r.service", "Global=true\nConflicts=g.service")
    state = Cluster(machines, {each.name: each for each in (everywhere, picky, rival)})
    assert plan(state) == []
    assert set(assignments(state, machines["m1"])) == {"g.service", "p.service"}
    assert set(assignments(state, machines["m2"])) == {"g.service"}


_NAMES = [f"u{each}.service" for each in range(6)]
_WANTED = st.builds(
    Requirements,
    machine_id=st.just(""),
    is_global=st.just(False),
    peers=st.lists(st.sampled_from(_NAMES), max_size=1).map(tuple),
    conflicts=st.lists(st.sampled_from([*_NAMES, "u[0-2]*", "*"]), max_size=2).map(tuple),
    replaces=st.lists(st.sampled_from(_NAMES), max_size=1).map(tuple),
    metadata=st.sampled_from([(), (("rack", frozenset("a")),)]),
)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    machines = {
        f"m{each}": Machine(f"m{each}", metadata={"rack": draw(st.sampled_from("ab"))})
        for each in range(draw(st.integers(0, 4)))
    }
    somewhere = st.sampled_from([None, "gone", *machines])
    units = {}
    for name in draw(st.lists(st.sampled_from(_NAMES), unique=True)):
        file = parse("[S]\na=b\n")
        desired = draw(st.sampled_from([LAUNCHED, LAUNCHED, INACTIVE]))
        units[name] = Unit(name, file, draw(_WANTED), desired, draw(somewhere))
    return Cluster(machines, units)


def settled(state: Cluster) -> Cluster:
    for _ in range(10):
        moves = plan(state)
        if not moves:
            return state
        state = carried_out(state, moves)
    raise AssertionError(f"the plan never ends: {moves}")


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_the_plan_ends_and_what_it_ends_in_is_stable(state: Cluster) -> None:
    assert plan(settled(state)) == []


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_in_the_end_no_conflict_no_machineof_and_no_machine_is_broken(state: Cluster) -> None:
    end = settled(state)
    for one in end.units.values():
        if one.target is None:
            continue
        assert one.desired != INACTIVE
        assert one.target in end.machines
        assert all(end.units[peer].target == one.target for peer in one.wanted.peers if peer != one.name)
        for key, values in one.wanted.metadata:
            assert end.machines[one.target].metadata[key] in values
        for other in end.units.values():
            if other.target == one.target and other.name != one.name:
                assert not any(matches(pattern, other.name) for pattern in one.wanted.conflicts)


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_what_stays_inactive_fits_nowhere(state: Cluster) -> None:
    end = settled(state)
    for one in end.units.values():
        if one.target is None and one.desired != INACTIVE:
            for machine in end.machines.values():
                there = [Tenant(x.name, x.wanted) for x in end.units.values() if x.target == machine.id]
                assert obstacle(Tenant(one.name, one.wanted), machine, Company(there))


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_a_unit_moves_only_if_it_may_not_stay(state: Cluster) -> None:
    end = settled(state)
    grown = Cluster({**end.machines, "new": Machine("new", metadata={"rack": "a"})}, end.units)
    assert all(move.old is None for move in plan(grown) if not grown.units[move.unit].wanted.replaces) or any(
        each.wanted.replaces for each in end.units.values()
    )
