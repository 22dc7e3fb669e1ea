"""The Ansible module rundock, with Ansible itself against real machines."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from requests import RequestException

from lab.waiting import eventually
from scenarios.rundock.article import DASHBOARD, Call, Outcome, Site

HOST = "node-back-2"
PLACE, LINK = "/etc/sv/docker-plain", "/etc/service/docker-plain"


@pytest.mark.claim("D2")
def test_the_module_goes_through_its_states_and_changes_what_differs_alone(site: Site) -> None:
    service = {"name": "plain", **DASHBOARD}
    green = {"args": DASHBOARD["args"] + " -e COLOUR=green"}

    def call(state: str, more: dict[str, Any] | None = None, *, check: bool = False) -> Call:
        return Call({"state": state, **service, **(more or {})}, check)

    calls = {
        "enabled, only looked at": call("enabled", check=True),
        "present": call("present"),
        "present again": call("present"),
        "enabled": call("enabled"),
        "enabled again": call("enabled"),
        "present while it runs": call("present"),
        "other arguments, only looked at": call("enabled", green, check=True),
        "other arguments": call("present", green),
        "disabled": call("disabled", green),
        "disabled again": call("disabled", green),
        "absent": call("absent", green),
        "absent again": call("absent", green),
    }
    look = f"""
        echo $(ls -d {PLACE} {LINK} 2>/dev/null)
        echo $(docker ps --quiet --no-trunc --filter name=^/plain$)
        docker inspect plain 2>/dev/null | grep --count COLOUR=green
        true"""
    outs = dict(zip(calls, site.modules(HOST, list(calls.values()), look), strict=True))
    seen = {name: out.seen.splitlines() for name, out in outs.items()}
    there = {name: lines[0].split() for name, lines in seen.items()}
    container = {name: lines[1] for name, lines in seen.items()}

    assert {name: out.message for name, out in outs.items() if not out.ok} == {}
    assert [name for name, out in outs.items() if out.changed] == [
        "enabled, only looked at",
        "present",
        "enabled",
        "other arguments, only looked at",
        "other arguments",
        "disabled",
        "absent",
    ]
    assert there["enabled, only looked at"] == [], "check mode changes nothing"
    assert there["present"] == there["present again"] == [PLACE]
    assert (container["present"], there["enabled"]) == ("", [LINK, PLACE])
    first = container["enabled"]
    assert first
    for name in ("enabled again", "present while it runs", "other arguments, only looked at"):
        assert (there[name], container[name]) == ([LINK, PLACE], first), name
    assert there["other arguments"] == [LINK, PLACE]
    assert container["other arguments"] not in ("", first), "installed again, it runs on"
    assert [lines[2] for lines in (seen["enabled"], seen["other arguments"])] == ["0", "1"]
    assert (there["disabled"], container["disabled"]) == ([PLACE], "")
    assert there["absent"] == []


@pytest.mark.claim("D2")
def test_diff_mode_shows_the_lines_that_change(site: Site) -> None:
    wanted = {"name": "shown", "announce": 8097, "port": 80, **DASHBOARD}
    _, out, _ = site.modules(
        HOST,
        [
            Call({"state": "present", **wanted, "check": "tcp"}),
            Call({"state": "present", **wanted}, check=True, diff=True),
            Call({"state": "absent", **wanted}),
        ],
    )
    assert out.changed
    assert "+++ after: /etc/sv/docker-shown/services/announce/run" in out.text
    assert "+    announce && pause 45 || pause 2" in out.text
    assert "before: /etc/sv/docker-shown/services/service/run" not in out.text


@pytest.mark.claim("D2")
def test_other_addresses_are_announced_if_that_is_wanted(site: Site) -> None:
    node = site.lab["node-front-1"]
    public = {"name": "public", "announce": 8097, "port": 80, "announce_as": "public", **DASHBOARD}
    inner = {"name": "inner", "announce": 80, "announce_as": "container", **DASHBOARD}
    services = [{**public, "public_interface": "eth2"}, inner]
    try:
        for out in site.modules(node.name, [Call({"state": "enabled", **service}) for service in services]):
            assert out.ok, out.message
        said = [json.loads(site.announced(str(service["name"]), node.name).value) for service in services]
        assert said[0] == {"host": str(site.lab.specs[node.name].machine.public), "port": 8097}
        url = f"http://{said[0]['host']}:8097/"
        eventually(
            lambda: "served by" in site.page(url),
            site.patience,
            f"{url} is served",
            ignoring=(RequestException,),
        )
        (inside,) = json.loads(node.output("docker inspect inner"))
        assert said[1] == {"host": inside["NetworkSettings"]["IPAddress"], "port": 80}
        assert inside["HostConfig"]["PortBindings"] == {}
    finally:
        site.modules(node.name, [Call({"state": "absent", **service}) for service in services])


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"state": "enabled", "image": None}, "missing required arguments: image"),
    ({"state": "running"}, "value of state must be one of"),
    ({"port": 80}, "missing parameter(s) required by 'port'"),
    ({"name": "Web_1"}, "rundock Web_1: name: a label of DNS"),
    ({"announce": 99999}, "rundock web: announce: 1 to 65535 wanted, not 99999"),
    ({"check": "tcp"}, "rundock web: check: nothing is announced"),
    (
        {"announce": 8080, "port": 80, "announce_as": "container"},
        "rundock web: port: announce_as=container publishes no port",
    ),
]


@pytest.fixture(scope="module")
def mistakes(site: Site) -> list[Outcome]:
    """What the module says to each of the mistakes."""
    usual = {"name": "web", "image": "web", "state": "present"}
    wanted = [{**usual, **arguments} for arguments, _ in MISTAKES]
    calls = [Call({name: value for name, value in each.items() if value is not None}) for each in wanted]
    return site.modules(HOST, calls, "ls -d /etc/sv/docker-[wW]eb* 2>/dev/null || true")


@pytest.mark.claim("D2")
@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[said for _, said in MISTAKES])
def test_what_is_missing_or_contradicts_itself_is_one_line(mistakes: list[Outcome], number: int) -> None:
    out = mistakes[number]
    assert not out.ok
    assert MISTAKES[number][1] in out.message
    assert "Traceback" not in out.text
    assert out.seen == "", "nothing is half made"


@pytest.mark.claim("D2")
def test_an_image_that_cannot_be_pulled_is_told_and_its_service_is_not_left_enabled(site: Site) -> None:
    node = site.lab[HOST]
    began = time.monotonic()
    out = site.module(HOST, state="enabled", name="nowhere", image="nobody/nothing", wait=240)
    try:
        assert not out.ok
        said = re.match(r"rundock nowhere: its container ended (\d+) times; it is not enabled\.", out.message)
        assert said, out.message
        assert int(said[1]) >= 3, "and once more, if it did so before the module looked again"
        assert "nobody/nothing" in out.message
        assert time.monotonic() - began < 240
        assert node.run("test -L /etc/service/docker-nowhere", check=False).code == 1
        assert "runsv docker-nowhere" not in node.output("ps -eo args").splitlines()
    finally:
        site.module(HOST, state="absent", name="nowhere", image="nobody/nothing")


@pytest.mark.claim("D2")
def test_a_port_that_is_taken_is_told_and_the_other_service_goes_on(site: Site) -> None:
    taken = {"name": "second", "announce": 8087, "port": 80, **DASHBOARD}
    before = site.container(site.lab[HOST], "grafana")
    out = site.module(HOST, state="enabled", wait=240, **taken)
    try:
        assert not out.ok
        assert out.message.startswith("rundock second: ")
        assert "port is already allocated" in out.message
        assert site.container(site.lab[HOST], "grafana") == before
        assert site.key("second", HOST) is None
    finally:
        site.module(HOST, state="absent", **taken)


@pytest.mark.claim("D2")
def test_ansible_doc_shows_every_option(site: Site) -> None:
    shown = json.loads(site.ansible("ansible-doc", "--type", "module", "--json", "rundock").stdout)
    options = shown["rundock"]["doc"]["options"]
    assert {"state", "name", "image", "args", "announce", "announce_as", "port"} <= set(options)
    assert options["announce_as"]["choices"] == ["private", "public", "container"]
    assert all(option["description"] for option in options.values())


@pytest.mark.claim("D2")
def test_playing_everything_again_changes_nothing(site: Site) -> None:
    said = "".join(site.reader.types(step) for step in ("base", "services", "fronts"))
    recap = [line for line in said.splitlines() if "changed=" in line]
    assert {line.split()[0] for line in recap} == set(site.lab.specs)
    assert all("changed=0" in line and "failed=0" in line for line in recap), said
