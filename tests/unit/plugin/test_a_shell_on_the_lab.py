"""--lab-shell opens a shell on the lab of a test that fails; `fault` while what the test made is in place."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
# Stands for a lab that is up and for a fault of it. The shell says how many faults are in place as it opens.
CONFTEST = """
import types
import pytest
from lab import faults
from lab.roles import Target

class Pause(faults.Kind):
    name, summary = "pause", ""
    def inject(self, *_): pass
    def heal(self, *_): pass

@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return types.SimpleNamespace(name="t-mine", folder=tmp_path_factory.mktemp("lab"), on_trouble=None)

@pytest.fixture
def pause(lab, monkeypatch):
    monkeypatch.setenv("FAULTS", f"{lab.folder}/faults")
    return lambda: faults.inject(lab, Pause(), Target(("coreos-1",)), checked=False)
"""
SHELL = (
    '#!/bin/sh\necho "in a shell on $LAB_NAME, faults: $(ls "$FAULTS" 2>/dev/null | grep -c "[.]json$")"\n'
)
IN_PLACE = ["in a shell on t-mine, faults: 1"]
HEALED = ["in a shell on t-mine, faults: 0"]


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("LAB_HOME", str(pytester.path / "home"))
    shell = pytester.path / "shell"
    shell.write_text(SHELL)
    shell.chmod(0o755)
    monkeypatch.setenv("SHELL", str(shell))
    pytester.makeconftest(CONFTEST)
    return pytester


def run(inner: pytest.Pytester, how: str, test: str) -> pytest.RunResult:
    inner.makepyfile(test)
    plugins = ("lab.plugin", "lab.plugin_failover", "lab.plugin_shell")
    words = [word for name in plugins for word in ("-p", name)]
    return inner.runpytest_subprocess(*words, how)


def shells(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("in a shell on")]


@pytest.mark.parametrize("how", ["--lab-shell", "--lab-shell=fault"])
def test_a_test_on_machines_that_fails_opens_a_shell_and_another_does_not(
    inner: pytest.Pytester, how: str
) -> None:
    result = run(inner, how, "def test_fails(lab): assert not lab.name\ndef test_other(): assert 0")
    result.assert_outcomes(failed=2)
    assert shells(result) == HEALED


def test_a_test_that_fails_within_a_fault_has_its_shell_while_it_is_in_place(inner: pytest.Pytester) -> None:
    ways = {"one": "assert 0", "two": "pytest.fail('no')", "three": "raise ValueError"}
    tests = [f"def test_{name}(pause):\n with pause():\n  {way}" for name, way in ways.items()]
    result = run(inner, "--lab-shell=fault", "\n".join(["import pytest", *tests]))
    result.assert_outcomes(failed=3)
    assert shells(result) == 3 * IN_PLACE
    assert result.outlines.count("In place: pause of coreos-1.") == 3


def test_one_fault_within_another_opens_one_shell(inner: pytest.Pytester) -> None:
    result = run(inner, "--lab-shell=fault", "def test_fails(pause):\n with pause(), pause(): assert 0")
    assert shells(result) == ["in a shell on t-mine, faults: 2"]


@pytest.mark.parametrize("how", ["--lab-shell", "--lab-shell=fault"])
def test_a_test_that_fails_after_its_fault_is_told_that_it_is_healed(
    inner: pytest.Pytester, how: str
) -> None:
    result = run(inner, how, "def test_fails(pause):\n with pause(): pass\n assert 0")
    assert shells(result) == HEALED
    result.stdout.fnmatch_lines(["No fault is in place: what the test made is healed already."])


def test_a_fixture_that_fails_within_its_fault_opens_one_shell_for_all_its_tests(
    inner: pytest.Pytester,
) -> None:
    article = "@pytest.fixture(scope='module')\ndef article(lab):\n with made(lab): assert 0\n"
    made = (
        "import os, pytest\nfrom conftest import Pause\nfrom lab import faults\n"
        "from lab.roles import Target\n"
        "def made(lab):\n os.environ['FAULTS'] = f'{lab.folder}/faults'\n"
        " return faults.inject(lab, Pause(), Target(('coreos-1',)), checked=False)\n"
    )
    tests = "def test_one(article): pass\ndef test_two(article): pass\n"
    result = run(inner, "--lab-shell=fault", made + article + tests)
    result.assert_outcomes(errors=2)
    assert shells(result) == IN_PLACE


def test_what_is_no_failure_or_a_known_one_opens_no_shell(inner: pytest.Pytester) -> None:
    test = """
        import pytest
        def test_skipped(pause):
            with pause(): pytest.skip("not here")
        def test_known(pause):
            with pause(): pytest.xfail("known")
        @pytest.mark.xfail
        def test_marked(pause):
            with pause(): assert 0
        def test_interrupted(pause):
            with pause(): raise KeyboardInterrupt
    """
    result = run(inner, "--lab-shell=fault", test)
    result.assert_outcomes(skipped=1, xfailed=2)
    assert "KeyboardInterrupt" in result.stdout.str()
    assert shells(result) == []


def test_a_measurement_whose_service_stays_away_opens_its_shell_while_the_fault_is_held(
    inner: pytest.Pytester,
) -> None:
    result = run(
        inner,
        "--lab-shell=fault",
        """
        import pytest
        from lab.errors import MachineError
        from tests.unit.report.samples_of_a_run import CELL, measurement
        @pytest.fixture
        def stays_away(pause, monkeypatch):
            def measure(lab, *_, **__):
                with pause():
                    lab.on_trouble(MachineError("http://x answers steadily: not after 41.5 s"))
                return measurement(verdict="over", why="too long")
            monkeypatch.setattr("lab.measure.measure", measure)
        def test_it(stays_away, measured): measured(*CELL)
        """,
    )
    result.assert_outcomes(failed=1)
    assert shells(result) == IN_PLACE
