"""fleetctl's verbs and words against three fleetd and a real etcd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Fleet


def test_a_unit_is_started_stopped_and_destroyed_with_the_originals_words(fleet: Fleet) -> None:
    fleet.up(1, 2, 3)
    fleet.unit("web.service")
    where = "10000000.../10.1.0.1"

    assert (
        fleet.ctl("start", "web").out == f"Unit web.service inactive\nUnit web.service launched on {where}\n"
    )
    again = fleet.ctl("start", "web")
    assert (again.out, again.err, again.code) == ("", "", 0)
    assert fleet.ctl("list-units", on=2).out == (
        f"UNIT\t\tMACHINE\t\t\tACTIVE\tSUB\nweb.service\t{where}\tactive\trunning\n"
    )
    stopped = fleet.ctl("stop", "web", on=3)
    assert stopped.out == f"Unit web.service loaded on {where}\n"
    assert stopped.err == "Successfully stopped units [web.service].\n"
    assert fleet.ctl("stop", "web").err == "Successfully stopped units [].\n"
    unloaded = fleet.ctl("unload", "web")
    assert (unloaded.out, unloaded.err) == (
        "Unit web.service inactive\n",
        "Successfully unloaded units [web.service].\n",
    )
    inactive = fleet.ctl("stop", "web")
    assert (inactive.err, inactive.code) == ("Unable to stop unit web.service in state inactive\n", 1)
    assert fleet.ctl("destroy", "web").out == "Destroyed web.service\n"
    assert fleet.ctl("list-unit-files", "--no-legend").out == ""


def test_submit_and_load_go_half_the_way_and_cat_gives_the_canonical_text(fleet: Fleet) -> None:
    fleet.up(1)
    (fleet.folder / "a.service").write_text("# note\n[Service]\nExecStart = /bin/true \n")
    assert fleet.ctl("submit", "a.service").out == "Unit a.service inactive\n"
    assert fleet.ctl("cat", "a").out == "[Service]\nExecStart=/bin/true\n"
    assert fleet.ctl("load", "a").out == "Unit a.service loaded on 10000000.../10.1.0.1\n"
    files = fleet.ctl("list-unit-files", "--no-legend").out.split()
    assert files[2:] == ["loaded", "loaded", "10000000.../10.1.0.1"]
    assert fleet.history() == []


def test_an_unknown_unit_keeps_the_originals_line_and_adds_what_was_meant(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("submit", fleet.unit("apache.service"))
    (fleet.folder / "apache.service").unlink()
    expected = "unable to find Unit(apach.service) in Registry or on filesystem"
    start = fleet.ctl("start", "apach")
    assert start.code == 1
    assert start.err == f"Error creating units: {expected}\nDid you mean apache.service?\n"
    assert fleet.ctl("cat", "apach").err == "Unit apach.service not found\nDid you mean apache.service?\n"
    assert fleet.ctl("status", "apach").err.startswith("Unit apach.service does not exist.\n")
    assert fleet.ctl("destroy", "zzz").err == "Units not found in registry\n"
    template = fleet.ctl("start", "nosuch@1")
    assert template.err.startswith(
        "Error creating units: failed getting Unit(nosuch@1.service) from template: "
        "unable to find template Unit(nosuch@.service) in Registry or on filesystem\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Service\nExecStart=x\n", "unable to find end of section"),
        ("[Service]\nnonsense\n", "unexpected newline encountered while parsing option name"),
        ("[X-Fleet]\nMachineID=a\nGlobal=true\n", "MachineID cannot be used with Global"),
        ("", "has no section"),
    ],
)
def test_a_file_that_is_no_good_unit_is_refused_in_one_line(fleet: Fleet, text: str, message: str) -> None:
    fleet.up(1)
    (fleet.folder / "bad.service").write_text(text)
    done = fleet.ctl("start", "bad.service")
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1
    assert fleet.ctl("list-unit-files", "--no-legend").out == ""


def test_a_unit_that_fits_nowhere_says_why_and_is_placed_when_there_is_room(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("one.service"))
    fleet.unit("two.service", "Conflicts=one.service")
    done = fleet.ctl("start", "--block-attempts=2", "two.service")
    assert done.code == 1
    assert done.out == "Unit two.service inactive\n"
    assert "10000000.../10.1.0.1: it conflicts with one.service" in done.err
    assert done.err.endswith(
        "Error waiting for units: timed out waiting for unit two.service to report state launched\n"
        "Error waiting for unit states, exit status: timed out waiting for unit two.service "
        "to report state launched\n"
    )
    fleet.ctl("destroy", "one.service")
    fleet.eventually(lambda: fleet.place("two.service") == fleet.id(1), 5, "two.service placed")


def test_a_unit_that_fails_is_launched_and_failed_and_stays_where_it_is(fleet: Fleet) -> None:
    fleet.up(1, 2)
    done = fleet.ctl("start", fleet.unit("bad.service", service="ExecStart=false"))
    assert done.code == 1
    assert done.out.endswith("Unit bad.service launched on 10000000.../10.1.0.1\n")
    assert done.err.splitlines()[1] == (
        "Error waiting for systemd unit states, err: Failed to find an active unit bad.service within 2s, "
        "err: Failed to fetch states within 2s"
    )
    row = fleet.ctl("list-units", "--no-legend").out.split()
    assert row == ["bad.service", "10000000.../10.1.0.1", "failed", "failed"]


def test_instances_come_from_templates_and_specifiers_place_them(fleet: Fleet) -> None:
    fleet.flags = {1: ["--metadata", "host=a"], 2: ["--metadata", "host=b"]}
    fleet.up(1, 2)
    fleet.unit("x@.service", "MachineMetadata=host=%i")
    done = fleet.ctl("start", "x@b", "x@a")
    assert done.code == 0
    assert (fleet.place("x@a.service"), fleet.place("x@b.service")) == (fleet.id(1), fleet.id(2))
    template = fleet.ctl("start", "x@.service")
    assert template.err == (
        'Error starting units: googleapi: Error 400: cannot activate template "x@.service"\n'
    )


def test_a_changed_file_is_only_taken_with_replace(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"))
    fleet.unit("a.service", service="ExecStart=/bin/sleep 2d")
    warned = fleet.ctl("start", "a.service")
    assert (warned.err, warned.code) == (
        "WARNING: Unit a.service in registry differs from local unit file a.service. "
        "Add --replace to override.\n",
        0,
    )
    assert fleet.ctl("submit", "--replace", "a.service").err == (
        "Warning: can not replace Unit(a.service) in state 'launched', use the appropriate command\n"
    )
    replaced = fleet.ctl("start", "--replace", "a.service")
    assert replaced.out.splitlines()[-1] == "Unit a.service launched on 10000000.../10.1.0.1"
    assert "2d" in fleet.ctl("cat", "a").out
    assert fleet.ctl("start", "--replace", "a.service").err == (
        "Found same Unit(a.service) in Registry, nothing to do\n"
    )
    assert [what for _, _, what, _ in fleet.history()] == ["start", "stop", "start"]


def test_a_global_unit_runs_everywhere_and_on_machines_that_join(fleet: Fleet) -> None:
    fleet.up(1, 2)
    started = fleet.ctl("start", fleet.unit("g.service", "Global=true"))
    assert started.out == "Triggered global unit g.service start\n"

    def running() -> int:
        return fleet.ctl("list-units", "--no-legend").out.count("active")

    fleet.eventually(lambda: running() == 2, 5, "two copies")
    fleet.up(3)
    fleet.eventually(lambda: running() == 3, 5, "three copies")
    assert fleet.ctl("list-unit-files", "--no-legend", "--fields=state,target").out.split() == ["-", "global"]
    fleet.ctl("unload", "g.service")
    fleet.eventually(lambda: running() == 0, 5, "no copy")


def test_bad_calls_are_told_in_a_line(fleet: Fleet) -> None:
    fleet.up(1)
    assert fleet.ctl("list-units", "--fields=foo").err == 'Invalid key in output format: "foo"\n'
    assert fleet.ctl("start").err == "No units given\n"
    unknown = fleet.ctl("list-unit")
    assert unknown.code == 1
    assert unknown.err.startswith('Error: unknown command "list-unit" for "fleetctl"\nDid you mean list-unit')
    down = fleet.ctl("list-units", on=9)
    assert down.code == 1
    assert down.err.startswith("Error retrieving list of active machines from fleet API (")


def test_what_was_written_is_read_by_the_originals_layout(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"))
    prefix = "/_coreos.com/fleet/"
    tree = fleet.client().get(prefix, recursive=True).node
    keys = {each.key.removeprefix(prefix) for each in tree.leaves()}
    machine = fleet.id(1)
    assert {
        f"machines/{machine}/object",
        "engine/version",
        "lease/engine-leader",
        "job/a.service/object",
        "job/a.service/target-state",
        "job/a.service/target",
        "job/a.service/job-state",
        f"states/a.service/{machine}",
    } < keys


def test_another_driver_than_the_api_is_refused(fleet: Fleet) -> None:
    done = fleet.ctl("--driver=etcd", "list-units")
    assert (done.code, done.out) == (1, "")
    assert done.err == "Unrecognized driver etcd; only API is known\n"
