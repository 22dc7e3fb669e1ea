"""--lab-fault and --lab-repeat choose among the tests that make faults; JUnit has an outage and its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import runs
from lab.plugin_failover import TIMELINE, files, properties
from lab.processors import Load
from lab.report_rows import rows
from tests.unit.report.samples_of_a_run import measurement

CHECKOUT = Path(__file__).resolve().parents[3]
TESTS = """
import pytest

@pytest.mark.fault("reboot")
def test_reboot(repetition): pass

@pytest.mark.fault("pause")
def test_pause(repetition): pass

def test_of_something_else(): pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    pytester.makeini("[pytest]\naddopts = --strict-markers")
    pytester.makepyfile(TESTS)
    return pytester


MEASURES = """
from tests.unit.report.samples_of_a_run import CELL
def test_it(measured): measured(*CELL)
"""


def run(inner: pytest.Pytester, *words: str) -> pytest.RunResult:
    return inner.runpytest_subprocess("-v", "-p", "lab.plugin", "-p", "lab.plugin_failover", *words)


def test_all_are_run_once_by_themselves(inner: pytest.Pytester) -> None:
    run(inner).assert_outcomes(passed=3)


def test_a_fault_is_chosen_and_repeated(inner: pytest.Pytester) -> None:
    result = run(inner, "--lab-fault=reboot", "--lab-repeat=3")
    result.assert_outcomes(passed=3, deselected=4)
    result.stdout.fnmatch_lines(["*test_reboot*run3*"])


def test_a_mistyped_fault_is_one_line(inner: pytest.Pytester) -> None:
    result = run(inner, "--lab-fault=rebot")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--lab-fault: no fault 'rebot'; did you mean 'reboot'?*"])


@pytest.mark.parametrize("count", ["0", "-1"])
def test_no_repetition_at_all_is_a_mistake(inner: pytest.Pytester, count: str) -> None:
    result = run(inner, f"--lab-repeat={count}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--lab-repeat {count}: give 1 or more"])


@pytest.mark.parametrize(
    ("verdicts", "passed", "taken"),
    [
        (["void", "within", "over"], True, 2),
        (["void", "void", "void", "within"], False, 3),
        (["void", "over", "within"], False, 2),
        (["over", "within"], False, 1),
    ],
)
def test_what_the_probe_slept_through_is_measured_anew_twice_and_nothing_else_is(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, verdicts: list[str], passed: bool, taken: int
) -> None:
    monkeypatch.setenv("LAB_HOME", str(inner.path / "home"))
    inner.makeconftest(
        f"""
        import pytest, types
        from tests.unit.report.samples_of_a_run import measurement
        verdicts = iter({verdicts!r})
        @pytest.fixture
        def lab(monkeypatch):
            monkeypatch.setattr("lab.measure.measure", lambda *_, **__: measurement(verdict=next(verdicts)))
            return types.SimpleNamespace(name="t-mine")
        """
    )
    inner.makepyfile(MEASURES)
    result = inner.runpytest_subprocess("-p", "lab.plugin_failover")
    result.assert_outcomes(passed=int(passed), failed=int(not passed))
    assert len(list((inner.path / "home" / "runs" / "latest").glob("*.json"))) == taken


@pytest.mark.parametrize(
    ("ends", "outcome", "verdict"),
    [
        ('return unmeasured(*words, "impossible", "a container has no disk")', "skipped", "impossible"),
        ('options["trail"](EVENTS); raise MachineError("no machine answers")', "failed", "failed"),
    ],
)
def test_a_cell_without_figures_is_in_the_report_all_the_same(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ends: str, outcome: str, verdict: str
) -> None:
    monkeypatch.setenv("LAB_HOME", str(inner.path / "home"))
    inner.makeconftest(
        f"""
        import pytest, types
        from lab.errors import MachineError
        from lab.measurement import unmeasured
        from tests.unit.report.samples_of_a_run import EVENTS
        def ends(lab, stack, kind, target, budget, **options):
            words = (stack, kind.name, target, "nspawn", budget)
            {ends}
        @pytest.fixture
        def lab(monkeypatch):
            monkeypatch.setattr("lab.measure.measure", ends)
            return types.SimpleNamespace(name="t-mine", record=types.SimpleNamespace(provider="nspawn"))
        """
    )
    inner.makepyfile(MEASURES)
    result = inner.runpytest_subprocess("-p", "lab.plugin_failover", "-rs")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*a container has no disk*" if outcome == "skipped" else "*no machine*"])
    (kept,) = (inner.path / "home" / "runs" / "latest").glob("*.json")
    cell = runs.load(kept)
    (row,) = rows([cell])
    assert (row.stack, row.fault, row.verdict) == ("ambassador", "power-loss of coreos-1", verdict)
    assert bool(cell.events) == (outcome == "failed"), "what is known of how it came about"


def test_a_measurement_s_properties_name_its_outage_and_what_it_went_to() -> None:
    told = properties(measurement(interval=0.008, timeout=1.0))
    assert told["figure: outage"] == "5500 ms"
    assert told["figure: failed requests"] == "549 of 1200"
    assert told["figure: detection"] == "3197 ms"
    assert told["figure: a request every"] == "8 ms"
    assert told["figure: given up after"] == "1000 ms"
    assert told["verdict"] == "within"
    assert properties(measurement(load=Load(0.9, 0)))["figure: host's processors"] == "90% busy"
    assert "figure: a request every" not in properties(measurement()), "older code did not keep it"


def test_a_failed_measurement_leaves_its_timeline_and_a_report() -> None:
    made = {name: write() for name, write in files(measurement(verdict="over", why="too long")).items()}
    events = [json.loads(line) for line in made[TIMELINE].splitlines()]
    assert [event["at"] for event in events] == sorted(event.at for event in measurement().events)
    assert "too long" in made["report.txt"]
    assert made["report.html"].startswith("<!doctype html>")
