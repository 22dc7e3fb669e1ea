"""`./run` says what is wrong with its words before it installs anything."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHECKOUT / "run", *words], capture_output=True, text=True, check=False, timeout=30, cwd="/"
    )


@pytest.mark.parametrize("words", [["ambasador"], ["lint", "tests2", "--", "-k", "x"]])
def test_an_environment_that_does_not_exist_is_one_line(words: list[str]) -> None:
    done = run(*words)
    wrong = words[-1] if len(words) == 1 else words[1]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"run: no environment '{wrong}'; ./run --help lists them\n"


def test_every_environment_is_in_its_help() -> None:
    tox = configparser.ConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    told = run("--help").stdout.split()
    names = [name.partition(":")[2] for name in tox.sections() if name.startswith("testenv:")]
    assert [name for name in [*names, "`shell`"] if name not in told and name != "shell"] == []
