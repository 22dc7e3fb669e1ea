"""bin/lab: when `lab run` may go straight to ssh, and that it then asks for what was typed."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "bin/lab"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder with bin/lab, a `python` and an `ssh` that print their arguments, and kept connections."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/lab").write_bytes(SCRIPT.read_bytes())
    for name in ("python", "ssh"):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@"\n')
    for file in (tmp_path / "bin").iterdir():
        file.chmod(0o755)
    for lab in ("default", "other"):
        (tmp_path / f"home/labs/{lab}/ssh").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        here = Path.cwd()
        os.chdir(tmp_path)  # the paths would be too long for a socket
        try:
            first.bind("home/labs/default/ssh/coreos-1.s")
            second.bind("home/labs/other/ssh/coreos-1.s")
        finally:
            os.chdir(here)
        yield tmp_path


def said(place: Path, *words: str, name: str = "") -> list[str]:
    """What the script became, and with which arguments."""
    environment = {
        "PATH": f"{place}/bin:/usr/bin:/bin",
        "LAB_HOME": str(place / "home"),
        **({"LAB_NAME": name} if name else {}),
    }
    done = subprocess.run(
        [place / "bin/lab", *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def ssh(place: Path, lab: str, line: str) -> list[str]:
    return ["ssh", "-F", f"{place}/home/labs/{lab}/ssh/config", "-T", "coreos-1", line]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--", "true"], "true"),
        (["true"], "true"),
        (["--", "ls", "-l", "/etc/hosts"], "ls -l /etc/hosts"),
        (["--", "echo $HOME | wc -c"], "echo $HOME | wc -c"),
    ],
)
def test_a_plain_command_goes_straight_to_ssh(place: Path, words: list[str], line: str) -> None:
    assert said(place, "run", "coreos-1", *words) == ssh(place, "default", line)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        [],
        ["run", "coreos-1"],
        ["run", "coreos-1", "--"],
        ["run", "coreos-2", "--", "true"],
        ["run", "../coreos-1", "--", "true"],
        ["run", "--lab", "other", "coreos-1", "--", "true"],
        ["run", "coreos-1", "--", "echo", "two words"],
        ["run", "coreos-1", "--", "echo", "*"],
        ["run", "coreos-1", "--", "echo", ""],
        ["run", "coreos-1", "--help"],
        ["run", "coreos-1", "--lab", "other", "--", "true"],
    ],
)
def test_all_else_goes_to_python_as_it_was_typed(place: Path, words: list[str]) -> None:
    assert said(place, *words) == ["python", "-I", "-m", "lab", *words]


def test_the_lab_is_the_one_that_the_environment_names(place: Path) -> None:
    assert said(place, "run", "coreos-1", "--", "true", name="other") == ssh(place, "other", "true")


@pytest.mark.parametrize("text", ["name: other\n", "# lab\nname:   other   # mine\nprovider: auto\n"])
def test_the_lab_is_the_one_that_lab_yaml_names(place: Path, text: str) -> None:
    (place / "lab.yaml").write_text(text)

    assert said(place, "run", "coreos-1", "--", "true") == ssh(place, "other", "true")


def test_a_file_without_a_name_means_the_default(place: Path) -> None:
    (place / "lab.yaml").write_text("machines:\n  - name: other\n")

    assert said(place, "run", "coreos-1", "--", "true") == ssh(place, "default", "true")


@pytest.mark.parametrize("text", ["name: 'other'\n", "name: ../other\n", "name:\n  other\n", "name: a b\n"])
def test_a_name_that_takes_a_closer_look_gets_one(place: Path, text: str) -> None:
    (place / "lab.yaml").write_text(text)

    assert said(place, "run", "coreos-1", "--", "true")[0] == "python"


def test_the_command_can_be_linked_to(place: Path) -> None:
    (place / "link").symlink_to(place / "bin/lab")
    done = subprocess.run([place / "link", "status"], capture_output=True, text=True, check=True, timeout=10)

    assert done.stdout.split() == ["python", "-I", "-m", "lab", "status"]
