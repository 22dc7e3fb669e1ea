"""`./run` says what is wrong with its words before it installs anything."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHECKOUT / "run", *words], capture_output=True, text=True, check=False, timeout=30, cwd="/"
    )


@pytest.mark.parametrize(
    ("words", "wrong"),
    [(["ambasador"], "ambasador"), (["lint", "tests2", "--", "-k", "x"], "tests2"), (["lint,unti"], "unti")],
)
def test_an_environment_that_does_not_exist_is_one_line(words: list[str], wrong: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"run: no environment '{wrong}'; ./run --help lists them\n"


@pytest.mark.parametrize("words", [["--hlep"], ["--", "-k", "x"]])
def test_a_flag_in_the_place_of_an_environment_is_one_line(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"run: {words[0]}: an environment comes first; ./run --help lists them\n"


def test_every_environment_is_in_its_help() -> None:
    tox = configparser.ConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    said = run("--help").stdout
    rows = said.partition("runs tox:\n")[2].partition("\nARGUMENTS")[0].splitlines()
    told = [name for row in rows if row for name in re.split("  +", row.strip())[0].split(", ")]
    names = [name.partition(":")[2] for name in tox.sections() if name.startswith("testenv:")]
    assert sorted([*told, "shell"]) == sorted(names)
    assert "sudo ./run shell\n" in said
