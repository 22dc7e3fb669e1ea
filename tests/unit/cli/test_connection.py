"""The ssh configuration of a lab, as OpenSSH itself reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import connection, store, topology


def record(name: str) -> store.Record:
    return store.Record(
        name=name,
        stage="up",
        provider="nspawn",
        reason="asked for",
        kvm=False,
        box="0123",
        topology=topology.parse(f"name: {name}", "lab.yaml"),
    )


def understood(path: Path, machine: str) -> dict[str, str]:
    """What ssh makes of the configuration for a machine."""
    command = ["ssh", "-G", "-F", str(path), machine]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()
    return {key: value for key, _, value in (line.partition(" ") for line in lines)}


def test_ssh_reads_it_as_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "with space"))
    (store.folder("one") / "ssh").mkdir(parents=True)

    seen = understood(connection.configure(record("one")), "coreos-2")

    assert (seen["user"], seen["hostname"]) == ("core", "192.168.121.102")
    assert seen["identityfile"] == str(store.folder("one") / "ssh/id_ed25519")
    assert seen["stricthostkeychecking"] in ("no", "false")
    assert "--net=/run/netns/lab-one" in seen["proxycommand"]


def test_a_connection_is_kept_where_bin_lab_looks() -> None:
    text = connection.configuration(record("one"), Path("/var/lib/discovery-lab/labs/one"))

    assert str(connection.control_path("one", "coreos-1")) in text


def test_a_home_too_deep_for_sockets_does_without_kept_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / ("d" * 90)))

    assert "ControlPath none" in connection.configuration(record("one"), store.folder("one"))


@pytest.mark.parametrize(
    ("words", "line"),
    [(["ls | wc"], "ls | wc"), (["echo", "a b"], "echo 'a b'"), (["echo", "$HOME"], "echo '$HOME'")],
)
def test_one_word_is_a_shell_line_and_several_are_words(words: list[str], line: str) -> None:
    assert connection.remote_line(words) == line
