"""Arguments that cannot be used: one clear line, where to read on, exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STACK = Path(__file__).resolve().parents[3] / "provision" / "stack"
GOOD = {"--etcd": "http://10.1.0.101:4001,http://10.1.0.102:4001", "--port": "8000"}


def dockreg(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-m", "dockreg.main", *words],
        env={"PYTHONPATH": str(STACK)},
        capture_output=True,
        text=True,
        timeout=10,
    )


def with_options(**changed: str | None) -> list[str]:
    options: dict[str, str | None] = {**GOOD, **{f"--{name}": value for name, value in changed.items()}}
    return [word for name, value in options.items() if value is not None for word in (name, value)]


@pytest.mark.claim("B3")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: --etcd, --port"),
        (with_options(etcd=None), "the following arguments are required: --etcd"),
        (with_options(port=None), "the following arguments are required: --port"),
        ([*with_options(), "--key"], "argument --key: expected one argument"),
        ([*with_options(), "--kye", "x"], "unrecognized arguments: --kye x"),
        ([*with_options(), "--doc", "x"], "unrecognized arguments: --doc x"),
        (with_options(port="http"), "not a port (1 to 65535): 'http'"),
        (with_options(port="65536"), "not a port (1 to 65535): '65536'"),
        (with_options(etcd="ftp://10.1.0.101"), "not an etcd endpoint: 'ftp://10.1.0.101'"),
        (with_options(etcd="http://a:1,"), "not an etcd endpoint: ''"),
        (with_options(key="a/../b"), "not a key: 'a/../b'"),
        (with_options(key="/"), "not a key: '/'"),
        (with_options(ip="host-1"), "--ip: not an address: 'host-1'"),
        (with_options(ip="0.0.0.0"), "--ip: 0.0.0.0 names no host"),
    ],
)
def test_wrong_arguments_are_said(words: list[str], said: str) -> None:
    done = dockreg(*words)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith(f"dockreg: {said}")
    assert second == "Try 'dockreg --help'."


@pytest.mark.claim("B3")
def test_help_names_every_flag_and_its_default() -> None:
    done = dockreg("--help")
    assert done.returncode == 0
    for word in ("--etcd", "--port", "--key", "--docker", "--ip", "default: service", "/var/run/docker.sock"):
        assert word in done.stdout
