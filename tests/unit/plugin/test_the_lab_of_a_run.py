"""The lab of a run has a name of its own, is not shared by two runs, and mistakes are one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab import store, topology
from lab.errors import UserError
from lab.faults import ledger
from lab.pytest_lab import Session
from lab.roles import Target
from lab.running import Lab

CHECKOUT = Path(__file__).resolve().parents[3]
LAB_YAML = CHECKOUT / "lab.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def session(tmp_path: Path, **options: str) -> Session:
    return Session(LAB_YAML, tmp_path, **options)  # type: ignore[arg-type]


def test_a_checkout_has_the_same_lab_at_every_run_and_another_one_another(tmp_path: Path) -> None:
    assert session(tmp_path).name == session(tmp_path).name
    assert session(tmp_path).name != session(tmp_path / "other").name


def test_a_second_run_is_told_that_the_lab_is_in_use(tmp_path: Path, home: Path) -> None:
    first, second = session(tmp_path), session(tmp_path)
    first._lock()
    try:
        with pytest.raises(UserError, match="another pytest run is using lab"):
            second.up(LAB_YAML)
    finally:
        first.down()
    second._lock()
    second.down()


def test_a_bundle_that_cannot_be_written_is_said_and_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("LAB_EVIDENCE", str(tmp_path / "taken"))
    mine = session(tmp_path, quiet=True)  # type: ignore[arg-type]
    mine.lab = cast(Lab, SimpleNamespace(folder=tmp_path))
    said = mine.collect_evidence("a::test", {})
    assert said == f"evidence is not whole: {tmp_path}/taken/a-test: Not a directory"


def test_a_name_that_is_no_lab_s_name_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--lab-name: name"):
        session(tmp_path, name="No Such Name").describe(LAB_YAML)


def test_a_test_has_the_topology_that_is_nearest_to_it(tmp_path: Path) -> None:
    near, other = tmp_path / "scenarios/near", tmp_path / "scenarios/other"
    for folder in (near / "deeper", other):
        folder.mkdir(parents=True)
    (near / "lab.yaml").touch()
    run = Session(None, tmp_path)

    assert run.file_for(near / "test_it.py") == near / "lab.yaml"
    assert run.file_for(near / "deeper/test_it.py") == near / "lab.yaml"
    assert run.file_for(other / "test_it.py") == tmp_path / "lab.yaml"
    assert run.file_for(tmp_path / "test_it.py") == tmp_path / "lab.yaml"
    assert run.file_for(Path("/elsewhere/test_it.py")) == tmp_path / "lab.yaml"
    assert session(tmp_path).file_for(near / "test_it.py") == LAB_YAML


def up_already(name: str, text: str) -> None:
    """A lab that says it is up, as one that somebody has brought up by hand."""
    described = topology.parse(f"name: {name}\n{text}", "lab.yaml")
    store.folder(name).mkdir(parents=True)
    store.Record(name, "up", "nspawn", "asked for", False, "0123", described).save()


def test_a_lab_that_is_up_is_used_only_by_tests_of_its_topology(tmp_path: Path) -> None:
    alike, unlike = tmp_path / "alike.yaml", tmp_path / "unlike.yaml"
    alike.write_text("machines: [{name: host-1}, {name: host-2, autostart: false}]")
    unlike.write_text("machines: [{name: host-1}, {name: host-2}]")
    up_already("t-mine", alike.read_text())
    run = Session(None, tmp_path, name="t-mine", provider="nspawn")

    assert run.describe(alike) == "lab 't-mine', which is up: provider nspawn (asked for)"
    assert re.match(r"lab 't-mine-[0-9a-f]{4}': 2 machines, nspawn", run.describe(unlike))


def test_a_long_name_leaves_room_for_the_mark_of_a_topology(tmp_path: Path) -> None:
    up_already("t-a-name-of-twenty-x", "machines: [{name: other}]")
    run = Session(None, tmp_path, name="t-a-name-of-twenty-x", provider="nspawn")

    assert re.match(r"lab 't-a-name-of-tw[a-z-]*-[0-9a-f]{4}': 3 machines", run.describe(LAB_YAML))


def test_a_lab_that_is_kept_is_entered_by_its_own_first_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Session(LAB_YAML, tmp_path, name="t-mine", keep=True)
    run.lab = cast(Lab, SimpleNamespace(specs={"host-1": None, "host-2": None}, folder=tmp_path))

    run.down()

    said = capsys.readouterr().err
    assert "`lab --lab t-mine ssh host-1` gets in" in said
    assert "in place" not in said


def test_a_lab_that_is_kept_with_a_fault_in_place_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Session(LAB_YAML, tmp_path, name="t-mine", keep=True)
    run.lab = cast(Lab, SimpleNamespace(specs={"host-1": None}, folder=tmp_path))
    ledger.begin(run.lab, "mute", Target(("host-1",)))

    run.down()

    said = capsys.readouterr().err
    assert "in place: mute of host-1; `lab --lab t-mine heal` heals it" in said


def test_tests_of_one_topology_follow_one_another(pytester: pytest.Pytester) -> None:
    (pytester.path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def lab(): pass\n"
        "def pytest_collection_finish(session):\n"
        "    print('order:', *(item.name for item in session.items))\n"
    )
    for place, names in {"a": ["a1", "a2"], "b": ["b1"], "c": ["c1"]}.items():
        (pytester.path / place).mkdir()
        tests = "".join(f"def test_{name}(lab): pass\ndef test_{name}_plain(): pass\n" for name in names)
        (pytester.path / place / f"test_{place}.py").write_text(tests)
    (pytester.path / "b/lab.yaml").write_text("machines: [{name: host-1}]")

    result = pytester.runpytest_subprocess("-p", "lab.plugin", "-s", "--lab-provider=nspawn")

    assert next(line for line in result.outlines if line.startswith("order:")).split()[1:] == [
        *("test_a1", "test_a1_plain", "test_a2", "test_a2_plain", "test_c1", "test_c1_plain"),
        *("test_b1", "test_b1_plain"),
    ]
    described = [line for line in result.outlines if line.startswith("lab 'pytest-")]
    assert [line.split("': ")[1] for line in described] == ["3 machines, nspawn", "1 machine, nspawn"]


def test_a_mistake_in_any_of_the_topologies_ends_the_run_before_a_machine_is_made(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    for place in ("a", "b"):
        (pytester.path / place).mkdir()
        (pytester.path / place / f"test_{place}.py").write_text("def test_it(lab): pass")
    (pytester.path / "b/lab.yaml").write_text("machines: [{name: host-1, etcd: none}]")

    result = pytester.runpytest_subprocess("-p", "lab.plugin")

    assert result.ret == 2
    assert len([line for line in result.outlines if "lab.yaml: machines.host-1.etcd: 'none'" in line]) == 1


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
