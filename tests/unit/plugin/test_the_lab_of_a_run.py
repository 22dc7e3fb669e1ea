"""The lab of a run has a name of its own, is not shared by two runs, and mistakes are one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.pytest_lab import Session

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def session(tmp_path: Path, **options: str) -> Session:
    return Session(CHECKOUT / "lab.yaml", tmp_path, **options)  # type: ignore[arg-type]


def test_a_checkout_has_the_same_lab_at_every_run_and_another_one_another(tmp_path: Path) -> None:
    assert session(tmp_path).name == session(tmp_path).name
    assert session(tmp_path).name != session(tmp_path / "other").name


def test_a_second_run_is_told_that_the_lab_is_in_use(tmp_path: Path, home: Path) -> None:
    first, second = session(tmp_path), session(tmp_path)
    first._lock()
    try:
        with pytest.raises(UserError, match="another pytest run is using lab"):
            second.up()
    finally:
        first.down()
    second._lock()
    second.down()


def test_a_name_that_is_no_lab_s_name_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--lab-name: name"):
        session(tmp_path, name="No Such Name").describe()


def test_a_topology_that_is_not_there_ends_the_run_with_one_line_and_code_2(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    pytester.makepyfile("def test_with_machines(lab): pass")
    result = pytester.runpytest_subprocess("-p", "lab.plugin", "--lab-topology=none.yaml")
    assert result.ret == 2
    said = [line for line in result.outlines if "none.yaml" in line]
    assert len(said) == 1
    assert "cannot be read" in said[0]
    assert not [line for line in result.outlines + result.errlines if "Traceback" in line]


def test_a_run_without_machines_does_not_load_what_makes_them() -> None:
    heavy = "{'paramiko', 'pydantic', 'requests', 'yaml'}"
    check = f"import sys, lab.plugin; sys.exit(' '.join({heavy} & sys.modules.keys()) or 0)"
    done = subprocess.run([sys.executable, "-c", check], cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
