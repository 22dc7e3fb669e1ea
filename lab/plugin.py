"""pytest's part of the lab: options, the fixtures `lab` and `fresh_lab`, claims, figures, failure bundles."""

from __future__ import annotations

import functools
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab import plugin_workers
from lab.errors import MachineError, UserError
from lab.interruption import ends_by
from lab.plugin_workers import CHOICES, worker

if TYPE_CHECKING:
    from lab.pytest_lab import Session
    from lab.running import Lab

FIGURE = "figure: "  # how a measured value is called among a test's properties
VERDICT = "verdict"  # what a measured failover has besides: its figures are in a table of their own
CLAIM = "claim"
IN_PART = "hold in part"
NEEDS = "lab"  # a test that has this fixture, itself or through another one, needs machines
SESSION = pytest.StashKey["Session"]()
BUNDLE = pytest.StashKey[tuple[object, str]]()
EXTRA = pytest.StashKey[dict[str, Callable[[], str]]]()  # on a test: files that its bundle has besides


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lab", "the lab's machines")
    group.addoption(
        "--lab-provider",
        choices=("auto", "nspawn", "libvirt"),
        default=None,
        help="how machines are made (default: as the topology says, which is auto: libvirt where KVM works, "
        "else nspawn)",
    )
    group.addoption(
        "--lab-name",
        metavar="NAME",
        default=None,
        help="use the lab of this name if it is up (and leave it up), else make one of this name",
    )
    group.addoption(
        "--lab-keep", action="store_true", help="leave the machines up at the end, and say how to get in"
    )
    group.addoption(
        "--lab-topology",
        metavar="FILE",
        default=None,
        help="what the lab is made of (default: the lab.yaml nearest to each test, in its folder or above)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "claim(id, ...): the claims of an article that the test shows, for example A12"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make claims properties of the test, so that JUnit reports and the summary have them.

    Tests of one topology follow one another, so that each lab is brought up once.
    """
    if worker(config):
        plugin_workers.order(items, config.rootpath, topology_of(config), _needs_machines)
    elif len(topologies := _topologies(config, items)) > 1:
        rank = {file: place for place, file in enumerate(topologies)}
        items.sort(key=lambda item: rank.get(_session(config).file_for(item.path), -1))
    for item in items:
        for marker in reversed(list(item.iter_markers("claim"))):
            item.user_properties += [(CLAIM, str(claim)) for claim in marker.args]


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which machines the tests will run on, and why; end here if the host cannot carry them."""
    if config.option.collectonly or worker(config):
        return []
    try:
        return [_session(config).describe(file) for file in _topologies(config, items)]
    except UserError as problem:
        pytest.exit(f"lab: {problem}", returncode=2)


@pytest.fixture(scope="session")
def _labs(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The run's labs, one at a time; the last one goes at the end."""
    session = _session(pytestconfig)
    # so that the machines go when CI gives up, a terminal is closed, or somebody wants to stop
    before = {
        number: ends_by(number, _interrupted)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield session
    finally:
        plugin_workers.tell(pytestconfig, session.chosen)
        with _seen(pytestconfig):
            session.down()
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def lab(_labs: Session, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Lab:
    """The lab of the nearest lab.yaml, up: made for this run, or the one that --lab-name names.

    All modules of a topology share it; a lab of another topology is taken down first.
    """
    mistake, failure = "", ""
    try:
        with _seen(pytestconfig):
            up = _labs.up(_labs.file_for(request.path))
        _labs.users.add(request.path)
        return up
    except UserError as problem:
        mistake = str(problem)
    except MachineError as problem:
        failure = str(problem)
    if mistake:
        if worker(pytestconfig):  # its own last words are not shown
            with _seen(pytestconfig):
                print(f"lab: {mistake}", file=sys.stderr)
        pytest.exit(f"lab: {mistake}", returncode=2)
    pytest.fail(failure, pytrace=False)


@pytest.fixture(scope="module")
def fresh_lab(lab: Lab, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Lab:
    """The lab as it was when it first came up: what earlier modules left on it is gone."""
    session = _session(pytestconfig)
    with _seen(pytestconfig):
        session.refresh()
    session.users.add(request.path)
    return lab


@pytest.fixture(scope="module")
def lab_users(lab: Lab, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> frozenset[Path]:
    """The other modules that have had the lab since it was fresh: whose set-up a module might go on with."""
    return frozenset(_session(pytestconfig).users - {request.path})


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, float, str], None]:
    """`figure("outage", 2134.2, "ms")` puts a measured value into the reports and the terminal's summary."""

    def note(name: str, value: float, unit: str) -> None:
        record_property(FIGURE + name, f"{value:.4g} {unit}" if value < 1000 else f"{value:.0f} {unit}")

    return note


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Leave a bundle of evidence for a test that failed and was not expected to."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "teardown" or not report.failed or not _needs_machines(item) or call.excinfo is None:
        return
    session = item.config.stash.get(SESSION, None)
    if session is None or session.lab is None or isinstance(call.excinfo.value, KeyboardInterrupt):
        return
    problem, said = item.config.stash.get(BUNDLE, (None, ""))
    if problem is not call.excinfo.value:  # a fixture of a module fails each of its tests: one bundle will do
        with _seen(item.config):
            extra = item.stash.get(EXTRA, None) or {}
            said = session.collect_evidence(item.nodeid, extra)
        item.config.stash[BUNDLE] = (call.excinfo.value, said)
    report.sections.append(("evidence of the lab", said))


def pytest_runtest_teardown(item: pytest.Item) -> None:
    session = item.config.stash.get(SESSION, None)
    if session is not None and _needs_machines(item):
        session.used = True


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The provider, the measured values but those of the table of failovers, and one line on the claims."""
    session = config.stash.get(SESSION, None)
    own = [session.chosen] if session is not None and session.chosen else []
    for chosen in dict.fromkeys([*own, *config.stash.get(CHOICES, [])]):
        terminalreporter.line(f"machines: {chosen}")
    reports = [
        report
        for found in terminalreporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport)
    ]
    figures = [
        f"{report.nodeid.rpartition('::')[2]}: {name.removeprefix(FIGURE)} {value}"
        for report in reports
        if report.when == "call" and VERDICT not in dict(report.user_properties)
        for name, value in report.user_properties
        if name.startswith(FIGURE)
    ]
    claims = claims_line(reports)
    if figures:
        terminalreporter.section("figures", sep="-")
        for line in figures:
            terminalreporter.line(line)
    if claims:
        terminalreporter.line(claims)


def claims_line(reports: list[pytest.TestReport]) -> str:
    """`claims: A1 A2 hold; A3 holds in part; A7 FAILS; A9 not shown`; nothing if no claim's test was run.

    One holds in part if tests of it were skipped.
    """
    states: dict[str, set[str]] = {}
    for report in reports:
        failed = report.failed or hasattr(report, "wasxfail")
        if report.when != "call" and not failed and not report.skipped:
            continue
        for name, claim in report.user_properties:
            if name == CLAIM:
                state = "FAILS" if failed else "not shown" if report.skipped else "hold"
                states.setdefault(str(claim), set()).add(state)
    parts = []
    for state in ("hold", IN_PART, "FAILS", "not shown"):
        of_state = [claim for claim, seen in states.items() if _worst(seen) == state]
        if of_state:
            of_state.sort(key=lambda claim: [int(part) if part.isdigit() else 0 for part in _parts(claim)])
            of_state.sort(key=lambda claim: claim[:1])
            word = state.replace("hold", "holds") if len(of_state) == 1 else state
            word = "FAIL" if state == "FAILS" and len(of_state) > 1 else word
            parts.append(f"{' '.join(of_state)} {word}")
    return f"claims: {'; '.join(parts)}" if parts else ""


def _worst(seen: set[str]) -> str:
    """What is said of a claim: one failure weighs more than all that was shown."""
    if seen == {"hold", "not shown"}:
        return IN_PART
    return next(state for state in ("FAILS", "hold", "not shown") if state in seen)


def _parts(claim: str) -> list[str]:
    return re.findall(r"\d+|\D+", claim)


def _needs_machines(item: pytest.Item) -> bool:
    return NEEDS in getattr(item, "fixturenames", ())


def topology_of(config: pytest.Config) -> Callable[[Path], Path]:
    """Finds the topology file of a test's module; remembers it, as it is asked once a test."""
    return functools.lru_cache(maxsize=None)(_session(config).file_for)


def _topologies(config: pytest.Config, items: list[pytest.Item]) -> list[Path]:
    """The topology files of the tests that need machines, in the order of their first use."""
    needing = [item for item in items if _needs_machines(item)]
    return list(dict.fromkeys(_session(config).file_for(item.path) for item in needing))


def _session(config: pytest.Config) -> Session:
    """The run's lab, made with the first question for it: most runs of unit tests never ask."""
    if SESSION not in config.stash:
        from lab.pytest_lab import Session

        topology = Path(config.option.lab_topology) if config.option.lab_topology else None
        config.stash[SESSION] = Session(
            topology,
            config.rootpath,
            name=config.option.lab_name or "",
            worker=worker(config),
            provider=config.option.lab_provider or "",
            keep=config.option.lab_keep,
            quiet=config.option.verbose < -1,
        )
    return config.stash[SESSION]


class _seen:
    """Lets what is written inside the block reach the terminal, although pytest captures."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        self._open = capture.global_and_fixture_disabled() if capture else None

    def __enter__(self) -> None:
        if self._open:
            self._open.__enter__()
        if self._reporter:
            self._reporter.ensure_newline()

    def __exit__(self, *problem: Any) -> None:
        if self._open:
            self._open.__exit__(*problem)


def _interrupted(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt(*([] if number == signal.SIGINT else ["terminated"]))
