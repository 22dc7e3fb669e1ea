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
    if options.list:
        session.result(runs.names(), runs.names() or ["no run is kept"])
        return
    if options.compare:
        before, after = (runs.open_run(name) for name in options.compare)
        changes = report_rows.compare(before, after)
        if options.html:
            write(after, Path(options.html), against=before)
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
        session.result(rows, report_text.comparison(changes))
        return
    run = _chosen(options.run, options.last)
    lines = [run.title, *report_text.table(run.measurements)]
    if options.html:
        lines.append(f"written: {write(run, Path(options.html))}")
    elif run.count == 1:
        lines.append(f"`lab report {run.name} --html FILE` draws it")
    session.result([_row(row) for row in report_rows.rows(run.measurements)], lines)


def write(run: runs.Run, file: Path, against: runs.Run | None = None) -> Path:
    """Write a run's report, with what changed since `against` and a plot over the last runs."""
    from lab import report_html, report_rows, runs

    kept = [runs.open_run(name) for name in runs.names()[-LAST:]]
    changes = report_rows.compare(against, run) if against else ()
    text = report_html.page(run, report_rows.nights(kept), changes, against.name if against else "")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as problem:
        raise UserError(f"{file}: cannot be written ({problem.strerror})") from None
    return file


def _chosen(names: Sequence[str], last: int | None) -> runs.Run:
    """The run that is asked for, or several as one."""
    from lab import runs

    if last is not None:
        if names:
            raise UserError("give --last or the runs' names")
        if last < 1:
            raise UserError("--last: at least 1")
    found = runs.last(last) if last else [runs.open_run(name) for name in names or [""]]
    for run in found:
        if not run.measurements:
            raise UserError(f"run {run.name} measured nothing; `lab report --list` shows the others")
    return runs.together(found)


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
