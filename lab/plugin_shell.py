"""pytest's shell on the lab of a test that fails: before its fault is healed, or at the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from lab.errors import MachineError
from lab.plugin import NEEDS
from lab.plugin_workers import shared_out

if TYPE_CHECKING:
    from lab.running import Lab

LAB = pytest.StashKey["Lab"]()  # what the fixture `lab` has given last
TEST = pytest.StashKey[pytest.Item]()  # the test that runs
NOTHING = "No fault is in place: what the test made is healed already."
SHOWN = pytest.StashKey[tuple[pytest.Item, BaseException]]()  # whose failure the last shell was opened for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("lab").addoption(
        "--lab-shell",
        choices=("healed", "fault"),
        nargs="?",
        const="healed",
        default="",
        help="open a shell when a test on machines fails; `fault`: while its fault is still in place, if it "
        "fails by then or its service stays away for longer than its budget",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.lab_shell and shared_out(config):
        raise pytest.UsageError("--lab-shell: a worker has no terminal; leave out -n")


def pytest_runtest_protocol(item: pytest.Item) -> None:
    item.config.stash[TEST] = item


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, None]:
    """Have every fault made on this lab ask for the shell of --lab-shell=fault before it is healed."""
    config = request.config
    if fixturedef.argname != NEEDS or not config.option.lab_shell:
        yield
        return
    if LAB in config.stash:
        del config.stash[LAB]  # gone, should the next one not come up
    outcome = yield
    if outcome.excinfo is not None:
        return
    lab = config.stash[LAB] = outcome.get_result()
    if config.option.lab_shell == "fault":
        lab.on_trouble = _in_place(config, lab)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """The shell at the end of a test that failed, unless it has had one while its fault was in place."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    lab = item.config.stash.get(LAB, None)
    if lab is None or call.excinfo is None or NEEDS not in getattr(item, "fixturenames", ()):
        return
    test, problem = item.config.stash.get(SHOWN, (None, None))
    if test is item or problem is call.excinfo.value:  # a module's fixture fails each of its tests
        return
    if report.failed and not isinstance(call.excinfo.value, KeyboardInterrupt):
        _open(item.config, lab, item, call.excinfo.value)


def _in_place(config: pytest.Config, lab: Lab) -> Callable[[BaseException], None]:
    """Opens a shell for what fails a test that is not known to fail; once, where faults are nested."""

    def look(problem: BaseException) -> None:
        test = config.stash[TEST]
        failure = isinstance(problem, (Exception, pytest.fail.Exception))
        known = isinstance(problem, pytest.xfail.Exception) or test.get_closest_marker("xfail") is not None
        if failure and not known and config.stash.get(SHOWN, (None, None))[1] is not problem:
            _open(config, lab, test, problem)

    return look


def _open(config: pytest.Config, lab: Lab, test: pytest.Item, problem: BaseException) -> None:
    """Open a shell that knows the lab, say what is in place there, and return when it is left."""
    from lab.pytest_lab import faults_in_place

    config.stash[SHOWN] = (test, problem)
    standing = faults_in_place(lab)
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    try:
        kind = "" if isinstance(problem, MachineError) else f"{type(problem).__name__}: "
        print(f"\n{kind}{problem}")
        print(f"In place: {standing}." if standing else NOTHING)
        print(f"A shell on the lab {lab.name!r}: `lab status`, `lab ssh`; `exit` goes on.", flush=True)
        subprocess.run(
            [os.environ.get("SHELL") or "/bin/sh"], env={**os.environ, "LAB_NAME": lab.name}, check=False
        )
    finally:
        if capture is not None:
            capture.resume_global_capture()
