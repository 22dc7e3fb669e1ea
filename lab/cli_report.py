"""`lab report`: what runs of the failover tests have measured, as a table, an HTML file, or compared."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.cli import Session

LAST = 30  # runs in the plot over nights: a month of them
ASIDE = ("list", "compare")  # options that say by themselves what is to be shown


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="*",
        help="names of runs, all as one table (default: the latest)",
    )
    parser.add_argument(
        "--last", metavar="N", type=int, help="the last N runs that measured anything, as one table"
    )
    parser.add_argument("--html", metavar="FILE", default="", help="write the report as one HTML file")
    parser.add_argument(
        "--compare", metavar=("A", "B"), nargs=2, help="show what changed from run A to run B"
    )
    parser.add_argument("--list", action="store_true", help="list the runs that are kept")


def report(session: Session) -> None:
    from lab import report_rows, report_text, runs

    options = session.options
    for name in ASIDE:
        if getattr(options, name) and (options.run or options.last is not None):
            raise UserError(f"--{name} shows no other runs: leave out RUN and --last")
    if options.list and options.compare:
        raise UserError("give --list or --compare")
    if options.list:
        session.result(runs.names(), runs.names() or ["no run is kept"])
        return
    if options.compare:
        before, after = (_measured(runs.open_run(name)) for name in options.compare)
        changes = report_rows.compare(before, after)
        lines = report_text.comparison(changes)
        if options.html:
            lines.append(_written(session, after, against=before))
        rows = [
            {
                "stack": one.stack,
                "fault": one.fault,
                "before_ms": one.medians[0],
                "after_ms": one.medians[1],
                "change": one.word,
            }
            for one in changes
        ]
        session.result(rows, lines)
        return
    run = _chosen(options.run, options.last)
    lines = [run.title, *report_text.table(run.measurements)]
    if options.html:
        lines.append(_written(session, run))
    elif run.count == 1:
        lines.append(f"`lab report {run.name} --html FILE` draws it")
    session.result([_row(row) for row in report_rows.rows(run.measurements)], lines)


def _written(session: Session, run: runs.Run, against: runs.Run | None = None) -> str:
    file = Path(session.options.html)
    with session.progress.step("drawing the report"):  # a month of full nights takes 15 s to read
        page = drawn(run, against)
    write(page, file)
    return f"written: {file}"


def drawn(run: runs.Run, against: runs.Run | None = None) -> str:
    """A run's report as HTML, with what changed since `against` and a plot over the last runs."""
    from lab import report_html, report_rows, runs

    unread: list[str] = []
    nights = report_rows.nights(runs.earlier(run, LAST, unread))
    changes = report_rows.compare(against, run) if against else ()
    return report_html.page(run, nights, changes, against.name if against else "", unread)


def write(page: str, file: Path) -> None:
    """Write a report in any folder. Raises UserError if that is not possible."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page)
    except OSError as problem:
        raise UserError(f"{file}: cannot be written ({problem.strerror})") from None


def _chosen(names: Sequence[str], last: int | None) -> runs.Run:
    """The run that is asked for, or several as one."""
    from lab import runs

    if last is not None:
        if names:
            raise UserError("give --last or the runs' names")
        if last < 1:
            raise UserError(f"--last {last}: give 1 or more")
    found = runs.last(last) if last else [runs.open_run(name) for name in names or [""]]
    return runs.together([_measured(run) for run in found])


def _measured(run: runs.Run) -> runs.Run:
    if not run.measurements:
        raise UserError(f"run {run.name} measured nothing; `lab report --list` shows the others")
    return run


def _row(row: report_rows.Row) -> dict[str, object]:
    document = {name: value for name, value in vars(row).items() if name != "measurements"}
    longest = row.longest
    if not row.sound:
        document |= {"median": None, "worst": None}
    return {
        **document,
        "kind": longest.fault,
        "of": longest.whom,
        "interval_ms": longest.interval * 1000 or None,
        "timeout_ms": longest.timeout * 1000 or None,
        "shares": [asdict(share) for share in longest.shares],
    }


if TYPE_CHECKING:
    from lab import report_rows, runs
