"""What the metadata service says, from machine.env alone, and over HTTP on loopback."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metadata.tree import as_json, build, droplet_id, parse_environment, render

STACK = Path(__file__).resolve().parents[3] / "provision" / "stack"
MACHINE = """
# a machine
LAB_NAME='t'
LAB_HOSTNAME='coreos-1'
LAB_MACHINE_ID='0123456789abcdef0123456789abcdef'
LAB_PRIVATE_ADDRESS='10.1.0.101/24'
LAB_PUBLIC_ADDRESS='203.0.113.101/24'
LAB_GATEWAY='10.1.0.1'
LAB_SSH_KEY='ssh-ed25519 AAAA lab'
LAB_FLEET_METADATA=''
"""
PRIVATE = "/interfaces/private/0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", "id\nhostname\nregion\npublic-keys\ninterfaces/"),
        ("/hostname", "coreos-1"),
        ("/interfaces/", "public/\nprivate/"),
        ("/interfaces/private", "0/"),
        (PRIVATE, "ipv4/\nmac\ntype"),
        (PRIVATE + "/ipv4", "address\nnetmask\ngateway"),
        (PRIVATE + "/ipv4/address", "10.1.0.101"),
        (PRIVATE + "/ipv4/netmask", "255.255.255.0"),
        (PRIVATE + "/ipv4/gateway", "10.1.0.1"),
        (PRIVATE + "/mac", "02:00:00:00:00:01"),
        (PRIVATE + "/type", "private"),
        ("/interfaces/public/0/ipv4/address", "203.0.113.101"),
        ("/public-keys", "ssh-ed25519 AAAA lab"),
    ],
)
def test_a_path_has_its_value_or_its_listing(path: str, value: str) -> None:
    tree = build(parse_environment(MACHINE), {"10.1.0.101": "02:00:00:00:00:01"})
    assert render(tree, path) == value


@pytest.mark.parametrize(
    "path", ["/nonesuch", "/hostname/", "/hostname/x", "/interfaces/private/1", PRIVATE + "/ipv6"]
)
def test_there_is_nothing_else(path: str) -> None:
    assert render(build(parse_environment(MACHINE), {}), path) is None


def test_a_machine_without_a_public_interface_lists_none() -> None:
    environment = parse_environment(MACHINE) | {"LAB_PUBLIC_ADDRESS": ""}
    assert render(build(environment, {}), "/interfaces") == "private/"


def test_the_json_is_of_the_cloud_s_shape() -> None:
    document = json.loads(as_json(build(parse_environment(MACHINE), {})))
    assert document["hostname"] == "coreos-1"
    assert document["droplet_id"] == int(droplet_id("0123456789abcdef0123456789abcdef"))
    assert document["interfaces"]["private"][0]["ipv4"]["ip_address"] == "10.1.0.101"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "LAB_HOSTNAME is missing"),
        (MACHINE.replace("10.1.0.101/24", "10.1.0/24"), "LAB_PRIVATE_ADDRESS"),
        ("LAB_NAME='t", "line 1"),
        ("what is this", "line 1 is not NAME='value'"),
        ("A=b c", "line 1"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build(parse_environment(text), {})


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    path = tmp_path / "machine.env"
    path.write_text(MACHINE)
    return path


@pytest.fixture
def port(environment: Path) -> Iterator[int]:
    """The service on a socket handed over as systemd does it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = int(listener.getsockname()[1])

        starter = (
            "import os, sys; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
            "os.dup2(int(sys.argv.pop(1)), 3); from metadata.server import main; main()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", starter, str(listener.fileno()), "--environment", str(environment)],
            env={**os.environ, "PYTHONPATH": str(STACK)},
            pass_fds=[listener.fileno()],
        )
    try:
        yield number
    finally:
        process.terminate()
        assert process.wait(2) == 0


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_address_is_answered_and_nothing_but_the_address(port: int) -> None:
    assert ask(port, "/metadata/v1" + PRIVATE + "/ipv4/address") == (200, "10.1.0.101")


def test_an_unknown_path_is_not_found_and_says_where_to_look(port: int) -> None:
    status, body = ask(port, "/metadata/v1/nonesuch")
    assert status == 404
    assert "GET /metadata/v1/ lists" in body
    assert ask(port, "/latest/meta-data/")[0] == 404


def test_listings_and_json_lead_from_the_root_on(port: int) -> None:
    assert ask(port, "/") == (200, "metadata/")
    assert ask(port, "/metadata/") == (200, "v1/\nv1.json")
    assert ask(port, "/metadata/v1/")[1].startswith("id\n")
    assert json.loads(ask(port, "/metadata/v1.json")[1])["hostname"] == "coreos-1"


def test_it_only_reads(port: int) -> None:
    assert ask(port, "/metadata/v1/id", "PUT")[0] == 405
    assert ask(port, "/metadata/v1/id", "HEAD") == (200, "")


def test_a_file_that_is_lost_is_said_and_a_file_that_is_back_is_read(port: int, environment: Path) -> None:
    kept = environment.read_text()
    environment.unlink()
    status, body = ask(port, "/metadata/v1/id")
    assert (status, "machine.env" in body) == (500, True)
    environment.write_text(kept)
    assert ask(port, "/metadata/v1/hostname") == (200, "coreos-1")


def test_a_client_that_says_nothing_does_not_stop_the_others(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        started = time.monotonic()
        assert ask(port, "/metadata/v1/hostname") == (200, "coreos-1")
        assert time.monotonic() - started < 3


def test_without_a_socket_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metadata"],
        env={**os.environ, "PYTHONPATH": str(STACK)},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 2
    assert "use --listen ADDRESS:PORT" in done.stderr
