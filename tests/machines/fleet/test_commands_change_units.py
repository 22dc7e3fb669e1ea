"""fleetctl's commands that change units: what they do on real machines, their words and exit codes."""

from __future__ import annotations

import time

import pytest

from lab.node import Result
from tests.machines.fleet.cluster import Cluster


def told(done: Result) -> tuple[int, list[str], list[str]]:
    return done.code, done.stdout.splitlines(), done.stderr.splitlines()


def home(fleet: Cluster, unit: str) -> str:
    """Where a unit is, as fleetctl prints it."""
    listed = fleet.ctl("list-unit-files", "--no-legend", "--fields=unit,target").stdout
    return dict(row.split() for row in listed.splitlines())[unit]


def test_a_unit_goes_up_and_down_through_its_states(fleet: Cluster) -> None:
    fleet.unit("web.service")
    assert told(fleet.ctl("submit", "web.service")) == (0, ["Unit web.service inactive"], [])
    loaded = fleet.ctl("load", "web")
    where = home(fleet, "web.service")
    assert told(loaded) == (0, [f"Unit web.service loaded on {where}"], [])
    assert told(fleet.ctl("start", "web")) == (0, [f"Unit web.service launched on {where}"], [])
    assert told(fleet.ctl("start", "web")) == (0, [], [])
    assert [active for _, _, active in fleet.rows()] == ["active"]
    stopped = ["Successfully stopped units [web.service]."]
    assert told(fleet.ctl("stop", "web")) == (0, [f"Unit web.service loaded on {where}"], stopped)
    assert fleet.running("web.service") == set()
    assert told(fleet.ctl("stop", "web")) == (0, [], ["Successfully stopped units []."])
    unloaded = ["Successfully unloaded units [web.service]."]
    assert told(fleet.ctl("unload", "web")) == (0, ["Unit web.service inactive"], unloaded)
    refused = ["Unable to stop unit web.service in state inactive"]
    assert told(fleet.ctl("stop", "web")) == (1, [], refused)
    assert told(fleet.ctl("destroy", "web")) == (0, ["Destroyed web.service"], [])
    assert fleet.ctl("list-unit-files", "--no-legend").stdout == ""


def test_starting_a_new_unit_prints_both_steps(fleet: Cluster) -> None:
    fleet.unit("web.service")
    done = fleet.ctl("start", "web.service")
    where = home(fleet, "web.service")
    assert told(done) == (0, ["Unit web.service inactive", f"Unit web.service launched on {where}"], [])


def test_instances_are_submitted_loaded_started_and_taken_back_twice(fleet: Cluster) -> None:
    fleet.unit("hello@.service")
    names = [f"hello@{number}.service" for number in (1, 2, 3)]
    assert fleet.ctl("submit", "hello@.service").code == 0
    for _ in range(2):
        for up, down, state in (("submit", "destroy", "inactive"), ("load", "unload", "loaded")):
            assert fleet.ctl(up, *names).code == 0
            listed = fleet.ctl("list-unit-files", "--no-legend", "--fields=unit,state").stdout.split()
            assert listed[2:] == [word for name in names for word in (name, state)]
            assert fleet.ctl(down, *names).code == 0
        fleet.start(*names)
        assert len(set(fleet.places().values())) == 3, "one on each machine"
        assert fleet.ctl("stop", "hello@*").stderr == f"Successfully stopped units [{' '.join(names)}].\n"
        assert fleet.places() == {}
        assert fleet.ctl("destroy", "hello@[0-9].service").stdout.count("Destroyed") == 3


def test_a_unit_that_fails_is_launched_and_start_says_that_it_is_not_active(fleet: Cluster) -> None:
    # Never active, not even between fork and end (see stack/fleet/test_waiting_for_units.py for that).
    fleet.unit("bad.service", service="Type=oneshot\nExecStart=/bin/false")
    done = fleet.ctl("start", "bad.service")
    problem = "Failed to find an active unit bad.service within 2s, err: Failed to fetch states within 2s"
    assert (done.code, done.stderr.splitlines()) == (
        1,
        [f"Error waiting for units: {problem}", f"Error waiting for systemd unit states, err: {problem}"],
    )
    assert done.stdout.splitlines()[-1] == f"Unit bad.service launched on {home(fleet, 'bad.service')}"
    assert [active for _, _, active in fleet.rows()] == ["failed"]


def test_a_unit_that_fits_nowhere_ends_after_its_attempts_and_runs_when_there_is_room(fleet: Cluster) -> None:
    fleet.unit("shy.service", "Conflicts=loud@*.service")
    fleet.unit("loud@.service", "Conflicts=loud@*.service")
    fleet.start("loud@1", "loud@2", "loud@3")
    began = time.monotonic()
    done = fleet.ctl("start", "--block-attempts=2", "shy.service")
    assert 4.0 <= time.monotonic() - began < 8.0
    problem = "timed out waiting for unit shy.service to report state launched"
    assert (done.code, done.stdout) == (1, "Unit shy.service inactive\n")
    assert done.stderr.splitlines()[-2:] == [
        f"Error waiting for units: {problem}",
        f"Error waiting for unit states, exit status: {problem}",
    ]
    gone = fleet.places()["loud@2.service"]
    fleet.ctl("destroy", "loud@2.service")
    fleet.eventually(lambda: fleet.places().get("shy.service") == gone, "shy.service is placed")


def test_no_block_only_triggers(fleet: Cluster) -> None:
    fleet.unit("web.service")
    started = ["Unit web.service inactive", "Triggered unit web.service start"]
    assert told(fleet.ctl("start", "--no-block", "web.service")) == (0, started, [])
    fleet.eventually(lambda: "web.service" in fleet.places(), "it runs in the end")
    stopped = ["Successfully stopped units [web.service]."]
    done = fleet.ctl("stop", "--no-block", "web.service")
    assert told(done) == (0, ["Triggered unit web.service stop"], stopped)
    fleet.eventually(lambda: not fleet.places(), "it has stopped in the end")
    done = fleet.ctl("unload", "--no-block", "web.service")
    assert done.stdout.splitlines() == ["Triggered unit web.service unload"]


def test_a_global_unit_is_triggered_and_not_waited_for(fleet: Cluster) -> None:
    fleet.unit("every.service", "Global=true")
    assert told(fleet.ctl("start", "every.service")) == (0, ["Triggered global unit every.service start"], [])
    fleet.eventually(lambda: [active for *_, active in fleet.rows()] == ["active"] * 3, "three copies")
    columns = "--fields=unit,state,target,global"
    listed = fleet.ctl("list-unit-files", "--no-legend", columns).stdout.split()
    assert listed == ["every.service", "-", "global", "true"]
    for verb, done in (("stop", "stopped"), ("unload", "unloaded")):
        told_ = told(fleet.ctl(verb, "every"))
        assert told_ == (
            0,
            [f"Triggered global unit every.service {verb}"],
            [f"Successfully {done} units []."],
        )
    fleet.eventually(lambda: not fleet.rows(), "no copy")


@pytest.mark.parametrize("verb", ["submit", "load", "start", "stop", "unload", "destroy", "restart"])
def test_without_units_there_is_nothing_to_do(fleet: Cluster, verb: str) -> None:
    assert told(fleet.ctl(verb)) == (0, [], ["No units given"])


def test_units_that_nobody_knows(fleet: Cluster) -> None:
    for verb in ("stop", "unload", "destroy"):
        assert told(fleet.ctl(verb, "nosuch")) == (0, [], ["Units not found in registry"])
        assert told(fleet.ctl(verb, "nosuch@*")) == (0, [], ["Units not found in registry"])
    missing = "unable to find Unit(nosuch.service) in Registry or on filesystem"
    assert told(fleet.ctl("start", "nosuch")) == (1, [], [f"Error creating units: {missing}"])
    missing = (
        "failed getting Unit(nosuch@1.service) from template: "
        "unable to find template Unit(nosuch@.service) in Registry or on filesystem"
    )
    assert told(fleet.ctl("start", "nosuch@1")) == (1, [], [f"Error creating units: {missing}"])


def test_a_template_cannot_be_activated(fleet: Cluster) -> None:
    fleet.unit("tpl@.service")
    problem = 'Error starting units: googleapi: Error 400: cannot activate template "tpl@.service"'
    assert told(fleet.ctl("start", "tpl@")) == (1, ["Unit tpl@.service inactive"], [problem])
    assert told(fleet.ctl("start", "tpl@.service")) == (1, [], [problem])


def test_instances_come_from_the_registry_from_a_file_and_from_links_in_a_folder(fleet: Cluster) -> None:
    fleet.unit("reg@.service", service="ExecStart=/bin/sh -c 'exec sleep 1%i'")
    fleet.unit("file@.service")
    fleet.ctl("submit", "reg@.service")
    fleet.shell("rm reg@.service; mkdir templates links; mv file@.service templates/")
    for port in (8001, 8002):
        fleet.shell(f"ln -s ../templates/file@.service links/file@{port}.service")
    fleet.start("reg@00")
    done = fleet.shell("fleetctl start links/*")
    assert done.code == 0, done.stderr
    fleet.start("templates/file@3")
    expected = {"reg@00.service", "file@3.service", "file@8001.service", "file@8002.service"}
    assert set(fleet.places()) == expected
    place = fleet.places()["reg@00.service"]
    assert "sleep 100" in fleet.node(place).output(f"ps -o args= -p {fleet.pid('reg@00.service', place)}")
    hashes = fleet.ctl("list-unit-files", "--no-legend", "--fields=hash,unit").stdout
    assert len({row.split()[0] for row in hashes.splitlines() if "file@" in row}) == 1


def test_an_edited_file_is_only_taken_with_replace(fleet: Cluster) -> None:
    fleet.start(fleet.unit("web.service"))
    fleet.unit("web.service", service="ExecStart=/bin/sleep 1d")
    warning = "Unit web.service in registry differs from local unit file web.service."
    kept = [f"WARNING: {warning} Add --replace to override."]
    assert told(fleet.ctl("start", "web.service")) == (0, [], kept)
    refused = "Warning: can not replace Unit(web.service) in state 'launched', use the appropriate command"
    assert told(fleet.ctl("submit", "--replace", "web.service")) == (0, [], [refused])
    done = fleet.ctl("start", "--replace", "web.service")
    assert (done.code, done.stdout.splitlines()[0]) == (0, "Unit web.service inactive")
    assert done.stdout.splitlines()[-1].startswith("Unit web.service launched on ")
    fleet.eventually(lambda: set(fleet.places()) == {"web.service"}, "it runs anew")
    (place,) = fleet.running("web.service")
    assert "1d" in fleet.node(place).output(f"ps -o args= -p {fleet.pid('web.service', place)}")
    same = ["Found same Unit(web.service) in Registry, nothing to do"]
    assert told(fleet.ctl("start", "--replace", "web.service")) == (0, [], same)


@pytest.mark.parametrize("verb", ["submit", "load"])
def test_replace_works_for_units_that_are_not_started(fleet: Cluster, verb: str) -> None:
    fleet.unit("web.service")
    assert fleet.ctl(verb, "web.service").code == 0
    fleet.unit("web.service", service="ExecStart=/bin/sleep 2d")
    assert fleet.ctl(verb, "--replace", "web.service").code == 0
    assert fleet.ctl("cat", "web").stdout == "[Service]\nExecStart=/bin/sleep 2d\n"


def test_restart_stops_and_starts_where_the_unit_is(fleet: Cluster) -> None:
    fleet.unit("web@.service")
    names = ["web@1.service", "web@2.service", "web@3.service"]
    fleet.start(*names)
    before = fleet.places()
    pids = {name: fleet.pid(name, before[name]) for name in names}
    done = fleet.ctl("restart", *names)
    assert done.code == 0
    assert done.stdout.splitlines() == [f"Unit {name} launched on {home(fleet, name)}" for name in names]
    assert [line.split("Unit(")[1] for line in done.stderr.splitlines()] == [
        f"{name}) was restarted." for name in names
    ]
    assert fleet.places() == before
    assert all(fleet.pid(name, before[name]) != pids[name] for name in names)


def test_a_global_unit_is_restarted_on_every_machine(fleet: Cluster) -> None:
    fleet.start(fleet.unit("every.service", "Global=true"))
    fleet.eventually(lambda: len(fleet.running("every.service")) == 3, "three copies")
    before = {name: fleet.pid("every.service", name) for name in fleet.lab.specs}
    assert fleet.ctl("restart", "every").code == 0
    fleet.eventually(
        lambda: (
            len(fleet.running("every.service")) == 3
            and all(fleet.pid("every.service", name) not in ("0", pid) for name, pid in before.items())
        ),
        "three new copies",
    )
    fleet.eventually(lambda: [active for *_, active in fleet.rows()] == ["active"] * 3, "fleet says so")


def test_an_option_that_fleet_does_not_know_is_a_warning(fleet: Cluster) -> None:
    fleet.unit("odd.service", "Frobnicate=1")
    done = fleet.ctl("submit", "odd.service")
    assert done.code == 0
    problem = 'Unit odd.service: unrecognized requirement in [X-Fleet] section: "Frobnicate"'
    assert done.stderr.splitlines() == [f"WARN {problem}"]
