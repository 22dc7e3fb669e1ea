"""Tests side by side: a worker has whole modules and whole labs, a name of its own, and all keep one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import runs
from lab.progress import Progress
from lab.pytest_lab import Session
from lab.topology import LAB_NAME_LIMIT

CHECKOUT = Path(__file__).resolve().parents[3]
NAMES = ("lab.plugin", "lab.plugin_failover", "lab.plugin_shell", "lab.plugin_workers")
PLUGINS = [word for name in NAMES for word in ("-p", name)]
CONFTEST = """
import os
import pytest

@pytest.fixture
def lab(): pass

@pytest.fixture(autouse=True)
def told(request, record_property):
    record_property("figure: by", os.environ["PYTEST_XDIST_WORKER"])
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    (pytester.path / "conftest.py").write_text(CONFTEST)
    return pytester


def modules(inner: pytest.Pytester, **names: str) -> None:
    for name, test in names.items():
        place = inner.path / name
        place.mkdir()
        (place / f"test_{name}.py").write_text(test)


def workers(result: pytest.RunResult) -> dict[str, str]:
    """Which worker each test has run on, by the summary's figures."""
    told = [(line.split(": by ")[0], line.split(": by ")[1]) for line in result.outlines if ": by gw" in line]
    return dict(told)


def test_a_module_is_one_worker_s_and_so_are_all_modules_of_a_lab(inner: pytest.Pytester) -> None:
    two = "def test_{0}1(lab): pass\ndef test_{0}2(lab): pass\ndef test_{0}3(lab): pass\n"
    modules(inner, a=two.format("a"), b=two.format("b"), c=two.format("c"), d=two.format("d"))
    for place in ("c", "d"):
        (inner.path / place / "lab.yaml").symlink_to(inner.path / "own.yaml")
    (inner.path / "own.yaml").write_text("machines: [{name: host-1}]")

    result = inner.runpytest_subprocess("-n", "2", *PLUGINS)

    result.assert_outcomes(passed=12)
    by = workers(result)
    for letters in ("a", "b", "cd"):
        assert len({by[f"test_{letter}{n}"] for letter in letters for n in (1, 2, 3)}) == 1, by
    assert len(set(by.values())) == 2


def test_labs_of_their_own_come_first_and_what_needs_none_last(inner: pytest.Pytester) -> None:
    modules(
        inner,
        a="def test_plain(): pass",
        b="def test_on_the_common_lab(lab): pass",
        c="def test_on_its_own(lab): pass",
    )
    (inner.path / "c/lab.yaml").write_text("machines: [{name: host-1}]")

    result = inner.runpytest_subprocess("-n", "1", "-v", *PLUGINS)

    done = [line.rpartition("::")[2].strip() for line in result.outlines if " PASSED " in line]
    assert done == ["test_on_its_own", "test_on_the_common_lab", "test_plain"]


def test_half_of_what_needs_no_lab_is_for_those_who_wait_for_the_first_one(inner: pytest.Pytester) -> None:
    modules(
        inner,
        a="def test_plain_1(): pass",
        b="def test_plain_2(): pass",
        c="def test_on_the_common_lab(lab): pass",
        d="def test_on_its_own(lab): pass",
        e="def test_on_another(lab): pass",
    )
    for place in ("d", "e"):
        (inner.path / place / "lab.yaml").write_text("machines: [{name: host-1}]")

    result = inner.runpytest_subprocess("-n", "1", "-v", *PLUGINS)

    done = [line.rpartition("::")[2].strip() for line in result.outlines if " PASSED " in line]
    assert done == [
        "test_on_its_own",
        "test_plain_2",
        "test_on_another",
        "test_on_the_common_lab",
        "test_plain_1",
    ]


def test_workers_have_labs_of_different_names_that_are_not_too_long() -> None:
    names = [
        Session(None, CHECKOUT, name=name, worker=worker).base
        for name in ("", "t-a-name-of-twenty-x")
        for worker in ("gw0", "gw1", "gw11")
    ]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LAB_NAME_LIMIT


def test_a_worker_says_who_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("plain", speaker="gw1").note("a choice")
    assert capsys.readouterr().err == "[gw1] a choice\n"


def test_what_all_workers_measure_is_one_run(inner: pytest.Pytester) -> None:
    keeps = """
def test_{0}(pytestconfig, lab):
    from lab import runs
    from lab.plugin_failover import RUN_NAME
    from lab.plugin_workers import handed
    (runs.begin(handed(pytestconfig, RUN_NAME)) / "{0}").touch()
"""
    modules(inner, a=keeps.format("a"), b=keeps.format("b"))
    result = inner.runpytest_subprocess("-n", "2", *PLUGINS)

    result.assert_outcomes(passed=2)
    (name,) = runs.names()
    assert {file.name for file in (runs.home() / name).iterdir()} == {"a", "b"}
    assert (runs.home() / runs.LATEST).resolve().name == name
    assert f"kept as run {name}: " in "\n".join(result.outlines)


def test_a_shell_is_refused_where_nobody_could_type_into_it(inner: pytest.Pytester) -> None:
    modules(inner, a="def test_it(): pass")
    result = inner.runpytest_subprocess("-n", "2", "--lab-shell", *PLUGINS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--lab-shell: a worker has no terminal; leave out -n" in "\n".join(result.errlines)


def test_another_way_to_give_tests_out_is_xdist_s_own(inner: pytest.Pytester) -> None:
    modules(inner, a="".join(f"def test_{n}(): pass\n" for n in range(12)))
    result = inner.runpytest_subprocess("-n", "2", "--dist=worksteal", *PLUGINS)
    result.assert_outcomes(passed=12)
    assert len(set(workers(result).values())) == 2
