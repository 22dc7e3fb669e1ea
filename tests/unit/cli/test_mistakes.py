"""Each mistake on the command line is one line and exit code 2; the real command, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import store, topology

ROOT = Path(__file__).resolve().parents[3]
Call = Callable[..., "subprocess.CompletedProcess[str]"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gets as far as this")


@pytest.fixture
def run_lab(tmp_path: Path) -> Call:
    """Runs `lab WORDS...` in an empty folder with a home of its own."""

    def call(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        place = tmp_path / "work"
        place.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
        environment |= {"LAB_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        command = [*before, sys.executable, "-m", "lab", *words]
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return call


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that must have ended as a user's mistake does."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("lab: ")
    return done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "COMMAND"),
        ("stauts", "no command 'stauts'; did you mean 'status'?"),
        ("up --provider nspwan", "no provider 'nspwan'; did you mean 'nspawn'?"),
        ("up --bogus", "--bogus"),
        ("ssh", "MACHINE"),
        ("run coreos-1", "no command; put it behind `--`"),
        ("box", "COMMAND"),
        ("box biuld", "did you mean 'build'?"),
        ("logs coreos-1 --lines many", "many"),
    ],
)
@as_root
def test_a_mistyped_word_is_answered_with_help(run_lab: Call, words: str, said: str) -> None:
    assert said in one_line(run_lab(*words.split()))


@pytest.mark.parametrize(
    "words", ["status", "ssh coreos-1", "run coreos-1 -- true", "reboot coreos-1", "crash coreos-1"]
)
@as_root
def test_with_no_lab_every_command_says_how_to_make_one(run_lab: Call, words: str) -> None:
    assert "no lab 'default' is up; `lab up` makes one" in one_line(run_lab(*words.split()))


@as_root
def test_down_with_no_lab_has_nothing_to_do(run_lab: Call) -> None:
    done = run_lab("down")

    assert (done.returncode, done.stdout) == (0, "there is nothing of a lab 'default'\n")


@pytest.mark.parametrize("words", ["up", "status", "ssh coreos-1", "down", "reset", "box build"])
def test_who_is_not_root_is_told_so(run_lab: Call, words: str) -> None:
    if os.geteuid() != 0:
        before: tuple[str, ...] = ()
    else:
        if shutil.which("setpriv") is None:
            pytest.skip("no setpriv to become nobody with")
        before = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        if subprocess.run([*before, sys.executable, "-c", "import lab"], cwd=ROOT, check=False).returncode:
            pytest.skip("nobody may not read this checkout")

    done = run_lab(*words.split(), before=before)

    assert "sudo" in one_line(done)


@pytest.mark.parametrize("name", ["../../etc", "Upper", "a b", "/", "-x-"])
@as_root
def test_a_name_that_could_lead_elsewhere_is_refused(run_lab: Call, name: str) -> None:
    assert "no lab's name" in one_line(run_lab("down", f"--lab={name}"))


@as_root
def test_a_malformed_lab_yaml_is_told_by_up(run_lab: Call, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("machines: [{name: a}, {name: a}]\n")

    assert "two.yaml: machines: the name 'a' is there twice" in one_line(
        run_lab("up", "--topology", str(file))
    )


@as_root
def test_a_topology_that_is_not_there_is_named(run_lab: Call) -> None:
    assert "nowhere.yaml: cannot be read" in one_line(run_lab("up", "--topology", "nowhere.yaml"))


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("status", "-x"), "status"),
        (("report", "--htlm=a"), "report"),
        (("up", "coreos-1", "--nmae", "a"), "up"),
        (("box", "rm", "old", "--dayz", "3"), "box rm"),
    ],
)
def test_a_flag_that_a_command_has_not_leads_to_that_command_s_help(
    run_lab: Call, words: tuple[str, ...], command: str
) -> None:
    assert f"`lab {command} --help` explains" in one_line(run_lab(*words))


def test_common_options_stand_behind_a_word_of_box_as_behind_any_command(run_lab: Call) -> None:
    done = run_lab("box", "list", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@as_root
@pytest.mark.parametrize("words", [(), ("-x",)])
def test_errors_can_be_read_by_a_program(run_lab: Call, words: tuple[str, ...]) -> None:
    done = run_lab("--json", "status", *words)

    assert done.returncode == 2
    assert json.loads(done.stderr)["event"] == "error"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that says it is up: enough for commands that must refuse before they touch it."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    place = store.folder("default")
    for name in ("ssh", "ca"):
        (place / name).mkdir(parents=True)
    from lab import secrets

    described = topology.parse("", "lab.yaml")
    secrets.ssh_key(place / "ssh")
    secrets.certificates(place / "ca", "default", described.lab_address("private").ip)
    store.Record(
        name="default",
        stage="up",
        provider="nspawn",
        reason="asked for",
        kvm=False,
        box="0123",
        topology=described,
    ).save()


@pytest.mark.parametrize("command", ["ssh", "reboot", "crash", "start", "cut", "heal", "logs"])
@as_root
@pytest.mark.usefixtures("made")
def test_an_unknown_machine_is_answered_with_a_suggestion(run_lab: Call, command: str) -> None:
    said = one_line(run_lab(command, "coreos1"))

    assert "no machine 'coreos1' in lab 'default'; did you mean 'coreos-1'?" in said


@as_root
@pytest.mark.usefixtures("made")
def test_a_machine_without_power_is_said_to_have_none(run_lab: Call) -> None:
    assert "coreos-1 has no power; `lab start coreos-1` starts it" in one_line(run_lab("ssh", "coreos-1"))


def test_help_needs_neither_root_nor_a_lab(run_lab: Call) -> None:
    for words in (["--help"], ["up", "--help"], ["box", "rm", "--help"]):
        done = run_lab(*words)
        assert done.returncode == 0
        assert "usage: lab" in done.stdout
