"""The commands of `lab` on a lab of containers that is up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import connection, store
from lab.waiting import eventually
from tests.machines.command import Command, traces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")

NAME = "t-cli"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    command = Command(NAME, tmp_path_factory.mktemp("lab"))
    command("down")
    command.up()
    yield command
    command("down")


@pytest.fixture
def own(machines: Command) -> Command:
    """The lab, healthy at the beginning of each test."""
    eventually(machines.healthy, within=60, what="the lab is healthy")
    return machines


def test_status_shows_every_machine(own: Command) -> None:
    lines = own.ok("status").splitlines()

    assert lines[0].startswith(f"lab {NAME!r}: 3 machines, nspawn")
    assert [line.split()[0] for line in lines[2:]] == ["coreos-1", "coreos-2", "coreos-3"]
    assert all("running" in line and "sees it" in line for line in lines[2:])


def test_a_second_up_is_refused_and_harms_nothing(own: Command) -> None:
    def boots() -> dict[str, tuple[str, str]]:
        return {name: (machine["power"], machine["boot"]) for name, machine in own.status().items()}

    before = boots()

    done = own("up", "--provider=nspawn")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"lab: lab {NAME!r} is already up (3 machines, nspawn)")
    assert boots() == before


def test_run_ends_with_the_code_of_the_command(own: Command) -> None:
    assert own("run", "coreos-1", "--", "sh", "-c", "exit 7").returncode == 7


def test_run_passes_words_as_they_are_and_one_word_as_a_line(own: Command) -> None:
    assert own.ok("run", "coreos-1", "--", "echo", "$HOSTNAME", "a  b") == "$HOSTNAME a  b\n"
    assert own.ok("run", "coreos-1", "--", "echo $HOSTNAME | tr a-z A-Z") == "COREOS-1\n"


def test_the_connection_is_kept_and_belongs_to_the_lab(own: Command) -> None:
    own.ok("run", "coreos-2", "--", "true")

    config = store.folder(NAME) / "ssh/config"
    check = subprocess.run(
        ["ssh", "-F", config, "-O", "check", "coreos-2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )

    assert "Master running" in check.stderr
    assert connection.control_path(NAME, "coreos-2").exists()


def test_ssh_forwards_an_agent_that_holds_the_labs_key(own: Command) -> None:
    key = (store.folder(NAME) / "ssh/id_ed25519.pub").read_text().split()[1]

    assert key in own.ok("ssh", "coreos-1", "ssh-add", "-L")
    hop = "ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR coreos-3 hostname"
    assert own.ok("ssh", "coreos-1", hop) == "coreos-3\n"


def test_the_agent_ends_with_the_session(own: Command) -> None:
    agent = own.ok("ssh", "coreos-1", "echo $SSH_AUTH_SOCK").strip()

    assert agent
    gone = f"test ! -e {agent} && echo gone"
    assert eventually(lambda: own("run", "coreos-1", "--", gone).stdout, within=10) == "gone\n"


def test_plain_openssh_can_be_used_with_the_labs_configuration(own: Command, tmp_path: Path) -> None:
    config = store.folder(NAME) / "ssh/config"

    (tmp_path / "file").write_text("hello")
    commands: list[list[str | Path]] = [
        ["scp", "-q", "-F", config, tmp_path / "file", "coreos-2:/tmp/hello"],
        ["scp", "-q", "-F", config, "coreos-2:/tmp/hello", tmp_path / "back"],
    ]
    for command in commands:
        subprocess.run(command, check=True, timeout=30)

    assert (tmp_path / "back").read_text() == "hello"


def test_a_crashed_machine_is_off_until_it_is_started(own: Command) -> None:
    boot = own.status()["coreos-3"]["boot"]
    own.ok("run", "coreos-3", "--", "true")

    own.ok("crash", "coreos-3")

    crashed = own.status()["coreos-3"]
    assert (crashed["power"], crashed["boot"], crashed["etcd"]) == ("off", "", "-")
    refused = own("run", "coreos-3", "--", "true")
    assert refused.returncode == 2
    assert "coreos-3 has no power; `lab start coreos-3` starts it" in refused.stderr
    assert "Linux" in own.ok("logs", "coreos-3") or "systemd" in own.ok("logs", "coreos-3")

    own.ok("start", "coreos-3")

    started = own.status()["coreos-3"]
    assert started["power"] == "running"
    assert started["boot"] not in ("", boot)


def test_reboot_comes_back_with_another_boot(own: Command) -> None:
    boot = own.status()["coreos-2"]["boot"]
    own.ok("run", "coreos-2", "--", "true")

    told = json.loads(own.ok("--json", "reboot", "coreos-2"))["boot"]

    assert told != boot
    seen = own.ok("run", "coreos-2", "--", "cat", "/proc/sys/kernel/random/boot_id").strip()
    assert seen == told


def test_a_cut_machine_is_reached_by_the_lab_alone(own: Command) -> None:
    own.ok("cut", "coreos-1")
    try:
        assert own.ok("run", "coreos-1", "--", "hostname") == "coreos-1\n"
        # three packets at most, to an address in the lab's own network
        ping = "bash -c 'timeout 2 bash -c \"</dev/tcp/10.1.0.102/2379\"' 2>/dev/null"
        assert own("run", "coreos-1", "--", ping).returncode != 0
        assert own.status()["coreos-1"]["etcd"] == "no answer"
    finally:
        own.ok("heal", "coreos-1")

    eventually(lambda: own("run", "coreos-1", "--", ping).returncode == 0, within=30)


def test_logs_show_a_unit(own: Command) -> None:
    assert "etcd" in own.ok("logs", "coreos-1", "--unit=etcd", "--lines=5")


def test_logs_can_be_followed_until_the_reader_has_enough(own: Command) -> None:
    following = own.start("logs", "coreos-1", "--follow", "--lines=1")
    try:
        eventually(lambda: (own.place / "output").read_text(), within=20, what="logs shows the last line")

        own.ok("run", "coreos-1", "--", "logger", "a-word-of-its-own")

        eventually(lambda: "a-word-of-its-own" in (own.place / "output").read_text(), within=20)
    finally:
        following.kill()
        following.wait(10)


def test_reset_forgets_what_was_written(own: Command) -> None:
    own.ok("run", "coreos-1", "--", "etcdctl", "set", "/kept", "no")
    own.ok("run", "coreos-1", "--", "touch", "/home/core/kept")

    own.ok("reset")

    eventually(own.healthy, within=60, what="the lab is healthy")
    assert own("run", "coreos-2", "--", "etcdctl", "get", "/kept").returncode != 0
    assert own("run", "coreos-1", "--", "test", "-e", "/home/core/kept").returncode == 1


def test_down_leaves_nothing_not_even_open_sessions(own: Command) -> None:
    session = own.start("ssh", "coreos-1", "echo in; sleep 600")
    eventually(lambda: (own.place / "output").read_text() == "in\n", within=20)
    own.ok("run", "coreos-2", "--", "true")

    own.ok("down")

    assert session.wait(10) != 0
    assert traces(NAME) == []
    own.up()
