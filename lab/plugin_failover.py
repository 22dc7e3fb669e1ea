"""pytest's part of failover: fixtures `timeline` and `measured`, the choice of faults, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.errors import MachineError, UserError
from lab.plugin import EXTRA, FIGURE, VERDICT
from lab.plugin_workers import handed, worker

if TYPE_CHECKING:
    from lab.faults import Kind
    from lab.measurement import Budget, Measurement, Stack
    from lab.recorder import Recorder
    from lab.running import Lab
    from lab.timeline import Event

FAULT = "fault"
TIMELINE = "timeline.jsonl"
RUN = pytest.StashKey[Path]()
REPORT = pytest.StashKey[str]()  # the file of --lab-report, or why it could not be written
RUN_NAME = "lab_run"  # how the workers of a run are told to keep what they measure in one folder
SHARED = pytest.StashKey[str]()  # that name, where the workers get it from
# Measurements of one cell in which the probe stood still: the host had taken its processor away, so that they
# say nothing of the stack, for or against it. Each is kept and told; then it is measured anew.
MOST_VOID = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lab")
    group.addoption(
        "--lab-fault",
        metavar="NAME",
        action="append",
        default=[],
        help="run only the tests that make this fault (may be repeated)",
    )
    group.addoption("--lab-repeat", metavar="N", type=int, default=1, help="measure each fault N times")
    group.addoption(
        "--lab-report", metavar="FILE", default="", help="write what was measured as an HTML file"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(name): the fault that the test makes, for --lab-fault")
    if config.option.lab_repeat < 1:
        raise pytest.UsageError(f"--lab-repeat {config.option.lab_repeat}: give 1 or more")
    for name in config.option.lab_fault:
        from lab import faults

        try:
            faults.kind(name)
        except UserError as problem:
            raise pytest.UsageError(f"--lab-fault: {problem}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Have all workers keep what they measure as one run."""
    from lab import runs

    config = node.config
    if SHARED not in config.stash:
        config.stash[SHARED] = runs.unused()
    node.workerinput[RUN_NAME] = config.stash[SHARED]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "repetition" in metafunc.fixturenames:
        count = metafunc.config.option.lab_repeat
        metafunc.parametrize("repetition", range(count), ids=[f"run{n + 1}" for n in range(count)])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what makes other faults than those asked for, if any were."""
    wanted = set(config.option.lab_fault)
    if not wanted:
        return
    kept = [item for item in items if wanted & {str(mark.args[0]) for mark in item.iter_markers(FAULT)}]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def timeline(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """What happens on the lab during the test: `timeline.events()`."""
    from lab.recorder import Recorder
    from lab.timeline import lines

    with Recorder(lab) as recorder:
        _bundle(request.node)[TIMELINE] = lambda: lines(recorder.events())
        yield recorder


@pytest.fixture
def measured(
    lab: Lab, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[..., Measurement]:
    """`measured(stack, kind, target, budget)` measures, keeps, reports, and fails the test over budget.

    The test is skipped where the fault is not possible; the report has its cell, with the reason.
    """
    from lab import runs
    from lab.health import VOID
    from lab.measure import measure, without_figures
    from lab.timeline import lines

    config, bundle = request.config, _bundle(request.node)
    trailed: list[Event] = []

    def trail(events: Sequence[Event]) -> None:
        trailed[:] = events
        bundle[TIMELINE] = lambda: lines(events)

    def keep(result: Measurement) -> None:
        if RUN not in config.stash:
            config.stash[RUN] = runs.begin(handed(config, RUN_NAME))
        runs.save(config.stash[RUN], result)

    def take(stack: Stack, kind: Kind, target: str, budget: Budget, **options: Any) -> Measurement:
        __tracebackhide__ = True
        for _ in range(1 + MOST_VOID):
            trailed.clear()
            try:
                result = measure(lab, stack, kind, target, budget, trail=trail, **options)
            except (MachineError, UserError) as problem:  # the cell has failed, and the report is to say so
                nothing = without_figures(lab, stack, kind, target, budget, name=options.get("name", ""))
                broken = nothing("failed", str(problem), events=list(trailed))
                keep(broken)
                bundle.update(files(broken))
                raise
            bundle.update(files(result))
            keep(result)
            if result.verdict != "void" or not result.samples:
                break
        for name, value in properties(result).items():
            record_property(name, value)
        if result.verdict == "impossible":
            pytest.skip(f"{result.fault} is not possible here: {result.why}")
        if result.verdict == "void":
            why = result.why.removeprefix(VOID)  # what made it so may have said it
            pytest.fail(f"{VOID}{why}", pytrace=False)
        if result.verdict == "over":
            parts = ", ".join(f"{share.name} {share.ms:.0f} ms" for share in result.shares)
            pytest.fail(f"{result.name}: {result.why}; the longest outage: {parts}", pytrace=False)
        return result

    return take


@pytest.hookimpl(trylast=True)  # the labs come down first: a report is no reason to leave one up
def pytest_sessionfinish(session: pytest.Session) -> None:
    file, folder = session.config.option.lab_report, _kept(session.config)
    if file and folder is None:
        session.config.stash[REPORT] = f"nothing was measured, and {file} is not written"
    if file and folder is not None and not worker(session.config):
        from lab import cli_report, runs

        session.config.stash[REPORT] = file
        try:
            cli_report.write(cli_report.drawn(runs.open_run(folder.name)), Path(file))
        except UserError as problem:  # the tests have run, and what they measured is kept
            session.config.stash[REPORT] = str(problem)
            session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of what was measured, and where it is kept."""
    folder = _kept(config)
    if folder is None:
        if REPORT in config.stash:
            terminalreporter.line(f"report: {config.stash[REPORT]}")
        return
    from lab import report_text, runs

    terminalreporter.section("failover", sep="-")
    for line in report_text.table(runs.open_run(folder.name).measurements):
        terminalreporter.line(line)
    terminalreporter.line(f"kept as run {folder.name}: `lab report` shows it again, --html FILE draws it")
    if REPORT in config.stash:
        terminalreporter.line(f"report: {config.stash[REPORT]}")


def files(result: Measurement) -> dict[str, Callable[[], str]]:
    """What the bundle of a failed test has of its measurement: the timeline as JSON lines, and a report."""
    from lab import report_html, report_text
    from lab.runs import Run
    from lab.timeline import lines

    return {
        TIMELINE: lambda: lines(result.events),
        "report.txt": lambda: "\n".join([*report_text.table([result]), report_text.sparkline(result), ""]),
        "report.html": lambda: report_html.page(Run(result.name, Path(), [result]), {}),
    }


def _kept(config: pytest.Config) -> Path | None:
    """Where this run's measurements are, its workers' included; None if nothing was measured."""
    if SHARED in config.stash:
        from lab import runs

        folder = runs.home() / config.stash[SHARED]
        return folder if folder.is_dir() else None
    return config.stash.get(RUN, None)


def _bundle(test: pytest.Item) -> dict[str, Callable[[], str]]:
    return test.stash.setdefault(EXTRA, {})


def properties(result: Measurement) -> dict[str, str]:
    """What JUnit's report is told of a measurement: outage and its parts, requests, verdict."""
    from lab import report_text

    if not result.sound and not result.samples:
        return {VERDICT: result.verdict}
    told = {
        "outage": f"{result.outage_ms:.0f} ms",
        "failed requests": f"{result.failed} of {len(result.samples)}",
        "budget": f"{result.budget.ms:.0f} ms",
        "kept connection's outage": f"{sum(outage.ms for outage in result.kept):.0f} ms",
        "probe's own lag": f"{result.lag * 1000:.0f} ms",
    }
    told |= report_text.request(result)
    told |= {"host's processors": str(result.load)} if result.load else {}
    told |= {share.name: f"{share.ms:.0f} ms" for share in result.shares if share.seen}
    return {FIGURE + name: value for name, value in told.items()} | {VERDICT: result.verdict}
