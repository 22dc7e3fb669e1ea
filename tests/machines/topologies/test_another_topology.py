"""A folder's own lab.yaml: its machines, its networks, a proxy in place of a member, and no fleet."""

from __future__ import annotations

from lab import faults, lifecycle, status
from lab.progress import Progress
from lab.running import Lab
from lab.waiting import eventually


def test_the_machines_are_those_of_the_folder(fresh_lab: Lab) -> None:
    assert list(fresh_lab.specs) == ["front-1", "back-1"]
    shown = fresh_lab["back-1"].output("ip -brief address")
    assert "10.77.0.9/24" in shown
    assert "eth2" not in shown, "a machine without a public address has no such interface"
    assert "198.51.100.101/24" in fresh_lab["front-1"].output("ip -brief address")


def test_a_machine_has_no_more_memory_than_the_file_says(fresh_lab: Lab) -> None:
    hungry = "python3 -c 'b\"x\" * ({} << 20)'; exit $?"  # SSH has no exit code for a shell that is killed

    boots = {node.name: node.boot_id() for node in fresh_lab}
    fresh_lab["back-1"].run(hungry.format(700))
    assert not fresh_lab["front-1"].run(hungry.format(700), check=False).ok
    faults.require_healthy(fresh_lab, "after one process that wanted too much was ended")
    assert {node.name: node.boot_id() for node in fresh_lab} == boots


def test_etcd_answers_on_a_machine_without_a_member_as_on_one_with(fresh_lab: Lab) -> None:
    back = fresh_lab["back-1"]

    back.run("etcdctl set /said back")

    assert fresh_lab.etcd.get("/said", member="front-1") == fresh_lab.etcd.get("/said", member="back-1")
    for place in ("127.0.0.1:2379", "127.0.0.1:4001", "172.17.42.1:4001"):
        assert "back" in back.output(f"curl --silent --fail http://{place}/v2/keys/said")
    assert [member.name for member in fresh_lab.etcd.members()] == ["front-1"]


def test_a_watch_through_the_proxy_sees_a_change_at_once(fresh_lab: Lab) -> None:
    back = fresh_lab["back-1"]
    watch = (
        "curl --silent --no-buffer --max-time 60 'http://127.0.0.1:4001/v2/keys/seen?wait=true&stream=true'"
    )
    back.run(f"systemd-run --quiet --unit=watch --property=StandardOutput=file:/run/seen {watch}", sudo=True)

    def seen() -> str:
        fresh_lab.etcd.set("/seen", "now", member="front-1")
        return back.run("cat /run/seen", check=False).stdout

    eventually(seen, "30s", "the watch has shown an event while it goes on")
    assert back.output("systemctl is-active watch") == "active"


def test_fleet_does_not_run_and_nobody_waits_for_it(fresh_lab: Lab) -> None:
    for node in fresh_lab:
        said = node.run("systemctl is-active fleet.service fleet.socket; fleetctl list-machines", check=False)
        assert said.stdout.split() == ["inactive", "inactive"]
        assert not said.ok


def test_status_tells_the_proxy_from_the_member(fresh_lab: Lab) -> None:
    rows = {row.name: row for row in status.look(fresh_lab)}

    assert (rows["front-1"].etcd, rows["back-1"].etcd) == ("leader", "proxy")
    assert {row.fleet for row in rows.values()} == {None}


def test_a_fault_and_a_reset_work_as_with_any_lab(fresh_lab: Lab) -> None:
    with faults.power_loss(fresh_lab, "back-1"):
        eventually(lambda: fresh_lab.etcd.healthy("front-1"), "60s", "the only member does without the other")
    fresh_lab.etcd.set("/forgotten", "soon")

    fresh = lifecycle.reset(fresh_lab.name, Progress("quiet"))

    assert fresh.etcd.get("/forgotten", member="back-1") is None
    faults.require_healthy(fresh, "after a reset")
