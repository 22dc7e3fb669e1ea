"""fleetctl's commands that look, and its ways to fleetd and to the machines: tables, journals, SSH, TCP."""

from __future__ import annotations

import json
import shlex
import time

import pytest

from tests.machines.fleet.cluster import Cluster

SOCKET = "/etc/systemd/system/fleet.socket.d/tcp.conf"
PORT = 49153


def test_machines_are_listed_by_id(fleet: Cluster) -> None:
    names = sorted(fleet.lab.specs, key=fleet.id)
    rows = [fleet.where(name).replace("/", "\t") + "\t-" for name in names]
    assert fleet.ctl("list-machines").stdout.splitlines() == ["MACHINE\t\tIP\t\tMETADATA", *rows]
    full = fleet.ctl("list-machines", "--full", "--no-legend", "--fields=machine").stdout
    assert full.split() == [fleet.id(name) for name in names]


def test_units_are_listed_in_order_with_the_fields_that_are_asked_for(fleet: Cluster) -> None:
    fleet.unit("hello@.service", extra="[Unit]\nDescription=Says hello\n\n")
    names = [f"hello@{number}.service" for number in range(20)]
    fleet.start(*reversed(names))
    listed = fleet.ctl("list-units", "--no-legend", "--fields=unit").stdout.splitlines()
    assert listed == sorted(names)
    head, *rows = fleet.ctl("list-units", "--fields=unit,load,active,sub,hash").stdout.splitlines()
    assert head.split() == ["UNIT", "LOAD", "ACTIVE", "SUB", "HASH"]
    assert {tuple(row.split()[1:4]) for row in rows} == {("loaded", "active", "running")}
    short = fleet.ctl("list-unit-files", "--no-legend", "--fields=hash").stdout.split()[0]
    (long,) = set(fleet.ctl("list-unit-files", "--no-legend", "--fields=hash", "--full").stdout.split())
    assert (len(short), len(long), long[:7]) == (7, 40, short)
    wanted = "--fields=unit,dstate,state,desc,global"
    described = fleet.ctl("list-unit-files", "--no-legend", wanted).stdout.splitlines()
    assert described[0].split("\t")[-1] == "false"
    assert "launched\tlaunched\tSays hello\tfalse" in described[0].replace("\t\t", "\t")
    assert [row.split()[0] for row in described] == sorted(names)
    deprecated = fleet.ctl("list-unit-files", "--fields=tmachine")
    assert (deprecated.code, "deprecated" in deprecated.stderr) == (0, True)


def test_a_field_or_a_flag_that_is_not_there(fleet: Cluster) -> None:
    for verb in ("list-units", "list-unit-files", "list-machines"):
        done = fleet.ctl(verb, "--fields=foo")
        assert (done.code, done.stdout, done.stderr) == (1, "", 'Invalid key in output format: "foo"\n')
    assert fleet.ctl("list-units", "--frob").stderr.splitlines()[0] == "unknown flag: --frob"
    assert fleet.ctl("list-machines", "-l").stdout == fleet.ctl("list-machines", "--full").stdout


def test_help_and_version(fleet: Cluster) -> None:
    for word in ("--version", "version"):
        assert fleet.ctl(word).stdout.startswith("fleetctl version ")
    for words in ((), ("help",), ("--help",), ("-h",)):
        done = fleet.ctl(*words)
        assert (done.code, "list-unit-files" in done.stdout) == (0, True)
    assert "--block-attempts" in fleet.ctl("start", "--help").stdout


def test_an_unknown_command_keeps_the_originals_line(fleet: Cluster) -> None:
    done = fleet.ctl("frob")
    assert done.code == 1
    lines = done.stderr.splitlines()
    assert lines == ['Error: unknown command "frob" for "fleetctl"', "Run 'fleetctl --help' for usage."]


def test_cat_prints_the_canonical_text(fleet: Cluster) -> None:
    text = "# says nothing\n[Service]\nExecStart = /bin/sleep 1d \n[Unit]\nDescription=a\n"
    fleet.node().put(text, "/home/core/a.service")
    fleet.ctl("submit", "a.service")
    done = fleet.ctl("cat", "a")
    assert done.stdout == "[Service]\nExecStart=/bin/sleep 1d\n\n[Unit]\nDescription=a\n"
    missing = fleet.ctl("cat", "nosuch")
    assert (missing.code, missing.stderr) == (1, "Unit nosuch.service not found\n")
    for verb, stop in (("cat", ""), ("journal", ".")):
        done = fleet.ctl(verb)
        assert (done.code, done.stderr) == (1, f"One unit file must be provided{stop}\n")


def test_verify_says_that_it_is_gone(fleet: Cluster) -> None:
    assert "DEPRECATED" in fleet.ctl("verify", "a.service").stderr


def pinned(fleet: Cluster, name: str, machine: str, service: str) -> str:
    fleet.start(fleet.unit(name, f"MachineID={fleet.id(machine)}", service))
    return name


def test_status_and_journal_of_a_unit_on_this_machine(fleet: Cluster) -> None:
    says = "ExecStart=/bin/sh -c 'for i in 1 2 3 4 5; do echo line $i; done; exec sleep infinity'"
    pinned(fleet, "here.service", fleet.first, says)
    status = fleet.ctl("status", "here")
    assert (status.code, "Loaded: loaded" in status.stdout) == (0, True)
    assert "Active: active (running)" in status.stdout
    whole = fleet.eventually(lambda: _lines(fleet, 5, "here"), "five lines in the journal")
    assert [each.rpartition(": ")[2] for each in whole] == [f"line {number}" for number in range(1, 6)]
    two = fleet.ctl("journal", "--lines", "2", "--output=cat", "here").stdout.splitlines()
    assert two[-2:] == ["line 4", "line 5"]
    document = fleet.ctl("journal", "--lines=1", "--output", "json", "here").stdout.splitlines()[-1]
    assert json.loads(document)["MESSAGE"] == "line 5"
    follow = "fleetctl journal -f --lines=1 --output=cat here"
    group = fleet.shell(f"setsid {follow} > followed 2>&1 < /dev/null & echo $!").stdout.strip()
    try:
        fleet.eventually(
            lambda: fleet.shell("tail -n 1 followed").stdout == "line 5\n", "it has the last line"
        )
        assert fleet.shell(f"kill -0 {group}").code == 0, "and waits for more"
    finally:
        fleet.shell(f"kill -- -{group}")
    assert fleet.ctl("journal", "--sudo", "--lines=1", "here").code == 0


def _lines(fleet: Cluster, count: int, unit: str) -> list[str]:
    found = [line for line in fleet.ctl("journal", unit).stdout.splitlines() if ": line " in line]
    return found if len(found) == count else []


def test_status_and_journal_of_a_unit_on_another_machine(fleet: Cluster) -> None:
    other = fleet.others[0]
    pinned(fleet, "there.service", other, "ExecStart=/bin/sh -c 'hostname; exec sleep infinity'")
    fleet.unit("bad.service", f"MachineID={fleet.id(other)}", "Type=oneshot\nExecStart=/bin/false")
    assert fleet.ctl("start", "bad.service").code == 1
    assert fleet.with_agent("fleetctl status bad").code == 3
    status = fleet.with_agent("fleetctl status there")
    assert (status.code, "Active: active (running)" in status.stdout) == (0, True)
    journal = fleet.with_agent("fleetctl journal --lines=3 --output=cat there")
    assert other in journal.stdout.splitlines()
    alone = fleet.shell("env -u SSH_AUTH_SOCK fleetctl status there")
    problem = "SSH_AUTH_SOCK environment variable is not set. Verify ssh-agent is running. See https://"
    assert alone.code == 255
    assert alone.stderr.startswith(f"Unable to SSH to remote host: {problem}")


def test_status_and_journal_of_units_that_are_nowhere(fleet: Cluster) -> None:
    fleet.ctl("submit", fleet.unit("idle.service"))
    fleet.start(fleet.unit("every.service", "Global=true"))
    for words, problem in (
        (("status", "nosuch"), "Unit nosuch.service does not exist."),
        (("status", "idle"), "Unit idle.service does not appear to be loaded."),
        (("journal", "nosuch"), "Unit nosuch.service does not exist."),
        (("journal", "idle"), "Unit idle.service does not appear to be running."),
        (("journal", "every"), "Unable to retrieve journal of global unit every.service."),
    ):
        done = fleet.ctl(*words)
        assert (done.code, done.stdout, done.stderr) == (1, "", f"{problem}\n")


def test_ssh_goes_to_a_unit_or_a_machine_and_hands_back_the_code(fleet: Cluster) -> None:
    other = fleet.others[0]
    pinned(fleet, "there.service", other, "ExecStart=/bin/sleep infinity")
    prefix = fleet.id(other)[:6]
    for target in ("there", "there.service", prefix, f"--machine {prefix}", "--unit there.service"):
        done = fleet.with_agent(f"fleetctl ssh {target} 'hostname; exit 7'")
        assert (done.code, done.stdout) == (7, f"{other}\n"), done.stderr
    words = fleet.with_agent("fleetctl ssh there printf '%s-' 'a  b' c")
    assert words.stdout == "a  b-c-"
    forwarded = fleet.with_agent("fleetctl ssh -A there 'ssh-add -l | wc -l; echo $SSH_AUTH_SOCK'")
    assert forwarded.stdout.splitlines()[0] == "1"
    without = fleet.with_agent("fleetctl ssh there 'echo socket=$SSH_AUTH_SOCK'")
    assert without.stdout == "socket=\n"
    for target in ("nosuch", "''"):
        done = fleet.with_agent(f"fleetctl ssh {target} true")
        problem = "Unable to proceed: could not find matching unit or machine"
        assert (done.code, done.stderr.splitlines()[0]) == (1, problem)


def test_a_host_key_that_has_changed_is_refused_unless_told_otherwise(fleet: Cluster) -> None:
    other = fleet.others[0]
    address = fleet.lab.specs[other].machine.private
    key = fleet.lab.specs[other].env["LAB_SSH_KEY"]  # a good key, but not that machine's
    fleet.node().put(f"{address} {key}\n", "/home/core/.fleetctl/known_hosts", mode=0o600)
    # The lab's own login shells have it off, as its machines are new at every reset.
    refused = fleet.with_agent(
        f"FLEETCTL_STRICT_HOST_KEY_CHECKING=true fleetctl ssh {fleet.id(other)} hostname"
    )
    assert (refused.code, refused.stdout) == (255, "")
    for line in (
        f"fleetctl --strict-host-key-checking=false ssh {fleet.id(other)} hostname",
        f"FLEETCTL_STRICT_HOST_KEY_CHECKING=false fleetctl ssh {fleet.id(other)} hostname",
        f"fleetctl --strict-host-key-checking --known-hosts-file=~/others ssh {fleet.id(other)} hostname",
    ):
        assert fleet.with_agent(line).stdout == f"{other}\n"
    fleet.shell("rm -r ~/.fleetctl")


def test_a_tunnel_reaches_another_machines_fleetd(fleet: Cluster) -> None:
    other = fleet.others[1]
    address = fleet.lab.specs[other].machine.private
    fleet.root("ln -sf /run/fleet.sock /run/only-here.sock", on=other)
    fleet.unit("batch@.service")
    there = "--endpoint=unix:///run/only-here.sock"
    start = "start batch@1 batch@2 batch@3 batch@4 batch@5 batch@6"
    # Each of six connections is an SSH of its own, made at once on a host that may be busy.
    patient = f"--request-timeout=30 {there}"
    done = fleet.with_agent(f"fleetctl --tunnel={address} {patient} {start}")
    assert (done.code, done.stdout.count("launched on")) == (0, 6), done.stderr
    assert len(fleet.places()) == 6
    listed = fleet.with_agent(f"FLEETCTL_TUNNEL={address}:22 fleetctl {patient} list-units --no-legend")
    assert len(listed.stdout.splitlines()) == 6


def test_the_api_answers_on_tcp_when_its_socket_listens_there(fleet: Cluster) -> None:
    other = fleet.others[0]
    fleet.node(other).put(f"[Socket]\nListenStream={PORT}\n", SOCKET, sudo=True)
    restart = "systemctl stop fleet.service && systemctl restart fleet.socket && systemctl start fleet"
    fleet.root(f"systemctl daemon-reload && {restart}", on=other)
    fleet.wait_for_all()
    url = f"http://{fleet.lab.specs[other].machine.private}:{PORT}"
    for line in (
        f"fleetctl --endpoint={url} list-machines --no-legend",
        f"FLEETCTL_ENDPOINT={url} fleetctl list-machines --no-legend",
        f"FLEETCTL_ENDPOINT=http://127.0.0.1:1 fleetctl --endpoint {url} list-machines --no-legend",
    ):
        assert len(fleet.shell(line).stdout.splitlines()) == 3, line
    answer = fleet.node().output(["curl", "-s", f"{url}/fleet/v1/machines"])
    assert {each["id"] for each in json.loads(answer)["machines"]} == {
        fleet.id(name) for name in fleet.lab.specs
    }


def test_a_fleetd_that_does_not_answer_is_told_within_the_request_timeout(fleet: Cluster) -> None:
    fleet.root("systemctl kill -s STOP fleet")
    try:
        began = time.monotonic()
        done = fleet.ctl("--request-timeout=0.5", "list-machines")
        took = time.monotonic() - began
    finally:
        fleet.root("systemctl kill -s CONT fleet")
    assert (done.code, took < 2.5) == (1, True)
    assert done.stderr.startswith("Error retrieving list of active machines from fleet API (")


@pytest.mark.parametrize("endpoint", ["unix:///run/nosuch.sock", "http://127.0.0.1:1"])
def test_without_an_api_the_possible_reasons_are_told(fleet: Cluster, endpoint: str) -> None:
    done = fleet.shell(f"FLEETCTL_ENDPOINT={shlex.quote(endpoint)} fleetctl list-machines")
    assert done.code == 1
    first, *rest = done.stderr.splitlines()
    assert first.startswith("Error retrieving list of active machines from fleet API (Get http")
    assert rest == [
        "Possible issues:",
        "  etcd is unhealthy and/or lost quorum",
        "  connection cannot be established to any etcd servers",
    ]


def test_the_apis_errors_and_metadata_over_http(fleet: Cluster) -> None:
    options = [{"section": "Service", "name": "ExecStart", "value": "/bin/sleep 1d"}]
    assert fleet.ask("PUT", "units/a.service", {"desiredState": "launched"})[0] == 409
    assert fleet.ask("PUT", "units/a.service", {"options": options}, kind="text/plain")[0] == 415
    assert fleet.ask("PUT", "units/a.service", {"options": options})[0] == 201
    assert fleet.ask("PUT", "units/a.service", {"desiredState": "launched"})[0] == 204
    fleet.eventually(lambda: "a.service" in fleet.places(), "a.service runs")
    assert fleet.ask("DELETE", "units/a.service")[0] == 204
    missing = (404, '{"error":{"code":404,"message":"unit does not exist"}}')
    assert fleet.ask("DELETE", "units/a.service") == missing
    path = f"/{fleet.id(fleet.first)}/metadata/disk"
    added = [{"op": "add", "path": path, "value": {"value": "ssd"}}]
    assert fleet.ask("PATCH", "machines", added)[0] == 204
    on_disk = fleet.unit("on-disk.service", "MachineMetadata=disk=ssd")
    fleet.start(on_disk)
    assert fleet.places() == {on_disk: fleet.first}
    assert fleet.ask("PATCH", "machines", [{"op": "remove", "path": path}])[0] == 204
    fleet.eventually(lambda: not fleet.places(), "a unit leaves a machine that is no longer able")
