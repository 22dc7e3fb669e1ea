"""`lab report` shows runs that were kept, one or several, lists, compares and draws them, as pytest does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import runs
from tests.unit.report.samples_of_a_run import measurement, void

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = "2026-01-01_00-00-00", "2026-01-02_00-00-00"
Call = Callable[..., "subprocess.CompletedProcess[str]"]
WHOM: dict[str, Any] = {"fault": "process-killed", "aim": "machine_of(apache.service):fleet.service"}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls `lab report WORDS...` where two runs are kept, and one that measured nothing."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    runs.save(runs.begin(OLD), measurement(4.5))
    runs.save(runs.begin(OLD), void())
    runs.begin("2026-01-01_12-00-00")
    runs.save(runs.begin(NEW), measurement(verdict="void", why="the probe stood still"))
    runs.save(runs.begin(NEW), measurement(6.5))
    runs.save(runs.begin(NEW), measurement(0.5, **WHOM))

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lab", "report", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return call


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def cells(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def mistake(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    return done.stderr


def test_the_latest_run_is_a_table_with_a_line_a_cell(report: Call) -> None:
    title, head, first, second, hint = lines(report())
    assert title == f"run {NEW}"
    assert head.split()[:3] == ["STACK", "FAULT", "RUNS"]
    assert "power-loss" in first
    assert "2 (1 void)" in first
    assert "6500 ms" in first
    assert "process-killed of fleet on apache's machine" in second
    assert hint == f"`lab report {NEW} --html FILE` draws it"


def test_a_run_is_shown_by_its_name(report: Call) -> None:
    shown = lines(report(OLD))
    assert shown[0] == f"run {OLD}"
    assert "4500 ms" in shown[2]
    assert "confd pause: void: <etcd> is sick" in shown
    assert f"no run {OLD[:-1]!r}; did you mean {OLD!r}?" in mistake(report(OLD[:-1]))
    assert "measured nothing" in mistake(report("2026-01-01_12-00-00"))


def test_a_program_reads_each_cell_s_figures(report: Call) -> None:
    first, second = cells(report("--json"))
    assert (first["stack"], first["fault"], first["verdict"]) == ("ambassador", "power-loss", "within")
    assert (first["count"], first["void"], round(first["median"]), round(first["worst"])) == (
        2,
        1,
        6500,
        6500,
    )
    assert first["shares"][0]["name"] == "detection"
    assert (second["fault"], second["kind"], second["of"]) == (
        "process-killed of fleet on apache's machine",
        "process-killed",
        "fleet on apache's machine",
    )
    assert second["budget"] == 8000.0


def test_the_last_runs_are_one_table(report: Call) -> None:
    title, _, first, second, third, *_ = lines(report("--last", "2"))
    assert title == f"runs {OLD}, {NEW}", "one that measured nothing is none of them"
    assert "3 (1 void)" in first
    assert "5500 ms  6500 ms" in first, "the median and the maximum of both"
    assert "process-killed" in second
    assert "confd" in third
    (both, *_) = cells(report("--last", "2", "--json"))
    assert (both["count"], both["void"], round(both["median"]), round(both["worst"])) == (3, 1, 5500, 6500)
    assert cells(report("--last", "1", "--json")) == cells(report(NEW, "--json"))
    assert len(cells(report("--last", "30", "--json"))) == 3, "no more than there are"


def test_runs_that_are_named_are_one_table(report: Call) -> None:
    assert cells(report(OLD, NEW, "--json")) == cells(report("--last=2", "--json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--last", "0"], "--last 0: give 1 or more"),
        (["--last", "many"], "many"),
        (["--last", "2", NEW], "--last or the runs' names"),
        (["--compare", OLD, NEW, OLD], "--compare shows no other runs"),
        (["--list", "--last", "1"], "--list shows no other runs"),
        (["--list", "--compare", OLD, NEW], "--list or --compare"),
        (["--compare", "2026-01-01_12-00-00", NEW], "measured nothing"),
        (["."], "no run '.'"),
        (["--compare", "..", NEW], "no run '..'"),
    ],
)
def test_a_mistake_is_one_line(report: Call, words: list[str], said: str) -> None:
    assert said in mistake(report(*words))


def test_without_the_latest_run_s_folder_the_one_before_it_is_the_latest(
    report: Call, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "home/runs" / NEW)
    shutil.rmtree(tmp_path / "home/runs/2026-01-01_12-00-00")
    assert lines(report())[0] == f"run {OLD}"


@pytest.mark.parametrize("damage", ["", "[]", '{"began": 1}', '{"budget": 1}'])
def test_a_file_that_nobody_can_read_is_one_line_and_costs_no_other_run_its_report(
    report: Call, tmp_path: Path, damage: str
) -> None:
    (file,) = (tmp_path / "home/runs" / OLD).glob("001-*.json")
    file.write_text(damage)
    assert f"{file}: no measurement that this version of lab reads" in mistake(report(OLD))
    lines(report("-q", "--html", "a.html"))
    assert f"Not to be read: {OLD}." in (tmp_path / "a.html").read_text()


def test_the_plot_has_the_runs_that_measured_the_same_however_many_others_there_are(
    report: Call, tmp_path: Path
) -> None:
    often: dict[str, Any] = {"fault": "mute", "name": "ambassador-mute"}
    for second in range(31):
        runs.save(runs.begin(f"2026-01-01_00-01-{second:02}"), measurement(**often))
    runs.save(runs.home() / NEW, measurement(**often))
    lines(report("-q", NEW, "--html", "a.html"))
    page = (tmp_path / "a.html").read_text().partition("Over the last runs")[2]
    assert OLD in page, "of the power loss there are two runs"
    assert "2026-01-01_00-01-02" in page
    assert "2026-01-01_00-01-01" not in page, "of the other fault the last 30"


def test_all_runs_are_listed(report: Call) -> None:
    assert lines(report("--list")) == [OLD, "2026-01-01_12-00-00", NEW]
    assert json.loads(report("--list", "--json").stdout) == lines(report("--list"))


def test_two_runs_are_compared(report: Call) -> None:
    changed = [line.split() for line in lines(report("--compare", OLD, NEW))]
    assert changed[1] == ["ambassador", "power-loss", "4500", "ms", "6500", "ms", "longer"]
    assert [line[-1] for line in changed[2:]] == ["gone", "new"]
    told = cells(report("--compare", OLD, NEW, "--json"))
    assert [(one["change"], one["before_ms"] is None) for one in told] == [
        ("longer", False),
        ("gone", True),  # it was void, and had no figure
        ("new", True),
    ]


def test_a_run_is_drawn_as_one_file_in_any_folder(report: Call, tmp_path: Path) -> None:
    assert lines(report("-q", "--html", "new/folder/a.html"))[-1] == "written: new/folder/a.html"
    page = (tmp_path / "new/folder/a.html").read_text()
    assert page.startswith("<!doctype html>")
    assert f"Run {NEW}: 3 measurements in 2 cells" in page
    assert "Over the last runs" in page

    lines(report("-q", "--compare", OLD, NEW, "--html", "b.html"))
    assert f"Against run {OLD}" in (tmp_path / "b.html").read_text()

    lines(report("-q", "--last", "2", "--html", "c.html"))
    assert f"Runs {OLD}, {NEW}: 5 measurements in 3 cells" in (tmp_path / "c.html").read_text()


def test_a_file_that_cannot_be_written_is_one_line(report: Call, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    assert "taken/a.html: cannot be written" in mistake(report("-q", "--html", "taken/a.html"))


def test_without_a_run_it_says_how_to_make_one(
    report: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "empty"))
    assert "no run is kept" in mistake(report())
    assert "no run is kept" in mistake(report("--last", "2"))
    assert lines(report("--list")) == ["no run is kept"]


MEASURES = """
import types
import pytest
from tests.unit.report.samples_of_a_run import CELL, measurement

@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr("lab.measure.measure", lambda *_, **__: measurement())
    return types.SimpleNamespace(name="t-mine")
def test_it(measured): measured(*CELL)
"""


def drawn_by_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, file: str
) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LAB_HOME", str(pytester.path / "home"))
    pytester.makepyfile(MEASURES)
    return pytester.runpytest_subprocess("-p", "lab.plugin_failover", f"--lab-report={file}")


def test_pytest_draws_what_it_has_measured(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = drawn_by_pytest(pytester, monkeypatch, "out/report.html")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["report: out/report.html"])
    page = (pytester.path / "out/report.html").read_text()
    assert "1 measurements in 1 cells on nspawn" in page
    assert "ambassador: power-loss" in page


def test_the_machines_are_gone_before_pytest_draws_what_an_interrupted_run_has_measured(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that cannot be drawn, or a second Ctrl-C while it is, must not leave a lab up."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LAB_HOME", str(pytester.path / "home"))
    pytester.makeconftest(
        """
        import pytest
        from lab import cli_report
        cli_report.drawn = lambda run: print("drawn") or ""
        @pytest.fixture(scope="session")
        def machines():
            yield
            print("gone")
        """
    )
    interrupted = MEASURES.replace("def test_it(measured): measured(*CELL)", "") + (
        "def test_it(machines, measured):\n    measured(*CELL)\n    raise KeyboardInterrupt\n"
    )
    pytester.makepyfile(interrupted)
    result = pytester.runpytest_subprocess("-s", "-p", "lab.plugin_failover", "--lab-report=a.html")
    result.stdout.fnmatch_lines(["*gone", "drawn"])


def test_pytest_says_that_it_has_measured_nothing_and_the_old_report_is_as_it_was(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "old.html").write_text("yesterday's")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LAB_HOME", str(pytester.path / "home"))
    pytester.makepyfile("def test_it(): assert 0")
    result = pytester.runpytest_subprocess("-p", "lab.plugin_failover", "--lab-report=old.html")
    result.stdout.fnmatch_lines(["report: nothing was measured, and old.html is not written"])
    assert (pytester.path / "old.html").read_text() == "yesterday's"


def test_pytest_says_in_one_line_that_its_report_cannot_be_written(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "taken").touch()
    result = drawn_by_pytest(pytester, monkeypatch, "taken/report.html")
    result.stdout.fnmatch_lines(["report: taken/report.html: cannot be written (*)"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert result.ret != 0
