"""Where units go on real machines: MachineID, MachineOf, MachineMetadata, Conflicts, Replaces, Global."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.machines.fleet.cluster import FOREVER, Cluster

CONF = "/etc/fleet/fleet.conf"


def stop_fleet(fleet: Cluster, machine: str) -> None:
    fleet.root("systemctl stop fleet", on=machine)


def start_fleet(fleet: Cluster, machine: str) -> None:
    fleet.root("systemctl start fleet", on=machine)
    fleet.wait_for_all()


def describe(fleet: Cluster, metadata: dict[str, str]) -> None:
    """Give each machine its metadata, with a reload of fleetd."""

    def one(name: str) -> None:
        line = f"sed -i 's/^metadata=.*/metadata=\"{metadata[name]}\"/' {CONF}"
        fleet.root(f"{line} && systemctl kill -s HUP fleet", on=name)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, metadata))

    def seen() -> bool:
        listed = fleet.ctl("list-machines", "--full", "--no-legend", "--fields=machine,metadata").stdout
        rows = dict(row.split() for row in listed.splitlines())
        return all(rows.get(fleet.id(name)) == (text or "-") for name, text in metadata.items())

    fleet.eventually(seen, "every machine has its metadata")


def test_each_machine_gets_as_many_units_as_the_others(fleet: Cluster) -> None:
    fleet.unit("u@.service")
    fleet.start(*(f"u@{number}.service" for number in range(9)))
    homes = list(fleet.places().values())
    assert sorted(homes.count(name) for name in fleet.lab.specs) == [3, 3, 3]


@pytest.mark.parametrize("option", ["MachineID", "X-ConditionMachineID"])
def test_machine_id_pins_units_by_its_whole_or_its_first_eight(fleet: Cluster, option: str) -> None:
    wanted = {}
    for number, name in enumerate(fleet.lab.specs):
        value = fleet.id(name) if number else fleet.id(name)[:8]
        wanted[fleet.unit(f"pinned{number}.service", f"{option}={value}")] = name
    fleet.start(*wanted)
    assert fleet.places() == wanted


def test_machine_of_keeps_pairs_together_and_moves_them_together(fleet: Cluster) -> None:
    fleet.unit("ping@.service")
    fleet.unit("pong@.service", "MachineOf=ping@%i.service")
    numbers = (1, 2, 3)
    fleet.start(*(f"{which}@{number}" for which in ("ping", "pong") for number in numbers))
    before = fleet.places()
    assert all(before[f"ping@{n}.service"] == before[f"pong@{n}.service"] for n in numbers)
    gone = before["ping@1.service"]
    witness = next(name for name in fleet.lab.specs if name != gone)
    stop_fleet(fleet, gone)
    try:

        def moved() -> bool:
            now = fleet.places(on=witness)
            pairs = all(now.get(f"ping@{n}.service") == now.get(f"pong@{n}.service") for n in numbers)
            return len(now) == 6 and pairs and gone not in now.values()

        fleet.eventually(moved, "the pair runs elsewhere, together")
        now = fleet.places(on=witness)
        assert {unit for unit in now if now[unit] != before[unit]} == {"ping@1.service", "pong@1.service"}
    finally:
        start_fleet(fleet, gone)
    assert fleet.places() == now, "nothing moves back"


def test_metadata_places_units_and_a_reload_changes_it(fleet: Cluster) -> None:
    one, two, three = fleet.lab.specs
    describe(fleet, {one: "disk=ssd,rack=a", two: "disk=ssd,rack=b", three: "disk=hdd,rack=b"})
    fleet.unit("and.service", "MachineMetadata=disk=ssd\nMachineMetadata=rack=b")
    fleet.unit("or.service", "MachineMetadata=rack=c\nMachineMetadata=rack=a")
    fleet.unit("list.service", 'X-ConditionMachineMetadata="disk=hdd" "rack=b"')
    fleet.unit("on@.service", "MachineMetadata=rack=%i\nMachineMetadata=disk=hdd")
    fleet.start("and.service", "or.service", "list.service", "on@b.service")
    assert fleet.places() == {
        "and.service": two,
        "or.service": one,
        "list.service": three,
        "on@b.service": three,
    }
    nowhere = fleet.ctl("start", "--block-attempts=1", "on@a.service")
    assert (nowhere.code, nowhere.stdout) == (1, "Unit on@a.service inactive\n")
    fleet.ctl("destroy", "on@a.service")
    pid = fleet.pid("or.service", one)
    describe(fleet, {one: "disk=ssd,rack=a", two: "disk=hdd,rack=b", three: ""})
    fleet.eventually(
        lambda: fleet.places() == {"or.service": one, "list.service": two, "on@b.service": two},
        "units leave the machines that are not able any more",
    )
    assert fleet.pid("or.service", one) == pid, "a reload leaves the others alone"
    describe(fleet, dict.fromkeys(fleet.lab.specs, ""))


def test_five_that_conflict_run_on_three_machines(fleet: Cluster) -> None:
    fleet.unit("c@.service", "Conflicts=c@*.service")
    fleet.ctl("start", "--no-block", *(f"c@{number}" for number in range(5)))
    fleet.eventually(lambda: len(fleet.places()) == 3, "three of them run")
    assert set(fleet.places().values()) == set(fleet.lab.specs)
    listed = fleet.ctl("list-unit-files", "--no-legend", "--fields=state").stdout.split()
    assert sorted(listed) == ["inactive"] * 2 + ["launched"] * 3


def test_a_conflict_of_one_side_holds_for_both_and_ends_with_it(fleet: Cluster) -> None:
    one, two, three = fleet.lab.specs
    only = "MachineMetadata=here=yes"
    describe(fleet, {one: "here=yes", two: "", three: ""})
    fleet.unit("quiet.service", f"{only}\nConflicts=other.service loud.service")
    fleet.unit("loud.service", only)
    fleet.start("quiet.service")
    assert fleet.ctl("start", "--block-attempts=1", "loud.service").code == 1
    assert fleet.places() == {"quiet.service": one}
    fleet.ctl("destroy", "quiet.service")
    fleet.eventually(lambda: fleet.places() == {"loud.service": one}, "the other one is freed")
    fleet.unit("quiet.service", f"{only}\nConflicts=other.service\nConflicts=lo*")
    assert fleet.ctl("start", "--block-attempts=1", "quiet.service").code == 1
    assert fleet.places() == {"loud.service": one}
    describe(fleet, dict.fromkeys(fleet.lab.specs, ""))


def test_a_replacing_unit_sends_the_other_one_to_another_machine(fleet: Cluster) -> None:
    one, two, three = fleet.lab.specs
    describe(fleet, {one: "here=yes", two: "", three: ""})
    fleet.unit("old.service")
    fleet.unit("new.service", "Replaces=old.service\nMachineMetadata=here=yes")
    fleet.start("old.service")
    assert fleet.places() == {"old.service": min(fleet.lab.specs, key=fleet.id)}
    fleet.ctl("destroy", "old.service")
    fleet.eventually(lambda: not fleet.rows(), "gone")
    fleet.unit("old.service", "MachineMetadata=here=yes")
    fleet.start("old.service")
    fleet.start("new.service")
    fleet.eventually(lambda: fleet.places() == {"new.service": one}, "the old one has no machine")
    describe(fleet, {one: "here=yes", two: "here=yes", three: ""})
    fleet.eventually(
        lambda: fleet.places() == {"new.service": one, "old.service": two}, "the old one runs elsewhere"
    )
    describe(fleet, dict.fromkeys(fleet.lab.specs, ""))


def test_two_that_replace_each_other_both_keep_their_machines(fleet: Cluster) -> None:
    fleet.unit("a.service", "Replaces=b.service")
    fleet.unit("b.service", "Replaces=a.service")
    fleet.start("a.service", "b.service")
    assert set(fleet.places()) == {"a.service", "b.service"}


def test_global_units_stand_beside_others_and_a_conflicting_one_never_runs(fleet: Cluster) -> None:
    fleet.unit("plain@.service")
    fleet.start(fleet.unit("a-global.service", "Global=true"))
    fleet.start("plain@1.service", "plain@2.service")
    fleet.eventually(lambda: len(fleet.rows()) == 5, "two plain rows and three global ones")
    fleet.unit("b-global.service", "Global=true\nConflicts=a-global.service")
    fleet.ctl("start", "b-global.service")
    fleet.ctl("start", fleet.unit("after.service"))
    assert fleet.running("b-global.service") == set()
    fleet.ctl("destroy", "a-global.service")
    fleet.eventually(lambda: len(fleet.running("b-global.service")) == 3, "room for the second one")


def test_contradictions_are_refused(fleet: Cluster) -> None:
    fleet.unit("bad.service", "MachineID=abc\nGlobal=true")
    done = fleet.ctl("start", "bad.service")
    assert (done.code, "MachineID cannot be used with Global" in done.stderr) == (1, True)


def test_specifiers_count_in_x_fleet_only(fleet: Cluster) -> None:
    """%i in ExecStart is systemd's; the hash of all instances is the template's."""
    service = "ExecStart=/bin/sh -c 'echo instance %i; exec sleep infinity'"
    fleet.unit("s@.service", "Conflicts=%p@*.service", service)
    fleet.start("s@1.service", "s@2.service")
    assert "instance %i" in fleet.ctl("cat", "s@1.service").stdout
    places = fleet.places()
    assert len(set(places.values())) == 2
    for number in (1, 2):
        name = f"s@{number}.service"
        _wait_for_word(fleet, name, places[name], f"instance {number}")


def _wait_for_word(fleet: Cluster, unit: str, on: str, wanted: str) -> None:
    """A unit that is active has been started, and may not have said anything yet."""
    line = f"journalctl -o cat --no-pager -u {unit}"
    fleet.eventually(lambda: wanted in fleet.root(line, on=on).splitlines(), f"{unit} says {wanted}")


def test_a_loaded_sidekick_with_an_install_section_follows_its_main_unit(fleet: Cluster) -> None:
    fleet.unit("main.service")
    extra = "[Unit]\nPartOf=main.service\nAfter=main.service\n\n[Install]\nWantedBy=main.service\n\n"
    fleet.unit("side.service", "MachineOf=main.service", FOREVER, extra)
    assert fleet.ctl("load", "main.service").code == 0
    assert fleet.ctl("load", "side.service").code == 0
    assert fleet.places() == {}
    fleet.start("main.service")
    fleet.eventually(lambda: set(fleet.places()) == {"main.service", "side.service"}, "both run")
    states = fleet.ctl("list-unit-files", "--no-legend", "--fields=unit,state").stdout.split()
    assert states == ["main.service", "launched", "side.service", "loaded"]
    assert fleet.ctl("stop", "main.service").code == 0
    fleet.eventually(lambda: not fleet.places(), "both have stopped")
