"""Arguments that cannot be used: one clear line, where to read on, exit code 2."""

from __future__ import annotations

import pytest

from tests.stack.ambassador.conftest import Start

LINK = {"ETCD_PORT_10000_TCP_ADDR": "127.0.0.1", "ETCD_PORT_10000_TCP_PORT": "1"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("simple_amb",), "one argument wanted, HOST:PORT, not 0"),
        (("simple_amb", "a:1", "b:2"), "one argument wanted, HOST:PORT, not 2"),
        (("simple_amb", "172.17.42.1"), "not HOST:PORT: '172.17.42.1'"),
        (("simple_amb", "172.17.42.1:port"), "not a port (1 to 65535): 'port'"),
        (("dynamic_etcd_amb", "web"), "two arguments wanted, KEY and PORT, not 1"),
        (("dynamic_etcd_amb", "web", "80000"), "not a port (1 to 65535): '80000'"),
        (("dynamic_etcd_amb", "", "80"), "not a key: ''"),
        (
            ("docker_register", "apache.service", "80"),
            "three arguments wanted, CONTAINER, PORT and KEY",
        ),
        (("docker_register", "apache.service", "http", "apache-A"), "not a port (1 to 65535): 'http'"),
        (("docker_register", "", "80", "apache-A"), "not a container: ''"),
        (("docker_register", "apache.service", "80", "../x"), "not a key: '../x'"),
    ],
)
def test_wrong_arguments_are_said(start: Start, arguments: tuple[str, ...], complaint: str) -> None:
    program = start(*arguments, **LINK)
    assert program.process.wait(10) == 2
    name = arguments[0].replace("_", "-")
    first, second = program.log.read_text().splitlines()
    assert first.startswith(f"{name}: {complaint}")
    assert second == f"Try '{name} --help'."


@pytest.mark.parametrize(
    "arguments", [("dynamic_etcd_amb", "web", "80"), ("docker_register", "a", "80", "web")]
)
def test_a_missing_link_is_said(start: Start, arguments: tuple[str, ...]) -> None:
    program = start(*arguments)
    assert program.process.wait(10) == 2
    assert "run it with --link AMBASSADOR:etcd" in program.log.read_text()


def test_a_ttl_that_is_none_is_said(start: Start) -> None:
    program = start("docker_register", "a", "80", "web", **LINK, DOCKER_REGISTER_TTL="1")
    assert program.process.wait(10) == 2
    assert "DOCKER_REGISTER_TTL: seconds wanted, at least 2, not '1'" in program.log.read_text()


@pytest.mark.parametrize("module", ["simple_amb", "dynamic_etcd_amb", "docker_register"])
def test_help_is_no_error(start: Start, module: str) -> None:
    assert start(module, "--help").process.wait(10) == 0
