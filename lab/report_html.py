"""The report as one HTML file that needs nothing else: no script, no network, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab import report_svg
from lab.markup import Markup, element, joined
from lab.measurement import Measurement
from lab.report_lanes import machines_of
from lab.report_rows import WORDS, Change, Row, rows
from lab.report_text import figures, ms, request
from lab.runs import Run
from lab.samples import backends, kinds

STYLE = Path(__file__).with_name("report.css")
Nights = Mapping[tuple[str, str], Sequence[tuple[str, float, float]]]


def page(
    run: Run,
    nights: Nights | None = None,
    changes: Sequence[Change] = (),
    against: str = "",
    unread: Sequence[str] = (),
) -> str:
    """The whole report of a run; with `nights` a plot a cell, with `changes` what is new since `against`.

    `unread` are runs that the plots would have, and that could not be read.
    """
    table = rows(run.measurements)
    ids = {id(measured): f"m{number}" for number, measured in enumerate(run.measurements, 1)}
    content = [_head(run, table), _matrix(table, ids)]
    if changes:
        content.append(_changes(changes, against))
    content += [_measurement(measured, ids[id(measured)]) for measured in run.measurements]
    if nights:
        apart = rows(run.measurements, apart=True)
        content.append(_nights(nights, {(row.stack, row.fault): row.budget for row in apart}, unread))
    head = element("title", f"Failover, {run.name}") + element("style", Markup(STYLE.read_text()))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{head}</head><body>{element('main', joined(content))}</body></html>\n"
    )


def _head(run: Run, table: Sequence[Row]) -> Markup:
    counts = {verdict: sum(one.verdict == verdict for one in run.measurements) for verdict in WORDS}
    providers = ", ".join(sorted({measured.provider for measured in run.measurements})) or "nothing"
    said = [Markup(f"{counts['within']} within budget")]
    said += [
        element("b", f"{counts[verdict]} {word}", class_=verdict)
        for verdict, word in WORDS.items()
        if counts[verdict] and verdict != "within"
    ]
    title = run.title[0].upper() + run.title[1:]
    text = f"{title}: {len(run.measurements)} measurements in {len(table)} cells on {providers}; "
    return element("header", element("h1", "Failover"), element("p", text, Markup(", ".join(said)), "."))


def _table(heads: Iterable[str], lines: Iterable[Markup], **attributes: object) -> Markup:
    """A table; a head that ends in > is of a column of figures."""
    top = joined(
        element("th", head.rstrip(">"), class_="n" if head.endswith(">") else None) for head in heads
    )
    head = element("thead", element("tr", top)) if top else Markup("")
    return element("table", head, element("tbody", joined(lines)), **attributes)


def _line(*cells: object, **attributes: object) -> Markup:
    """A row of cells; what is given as (text, class) has that class."""
    drawn = [
        element("td", cell[0], class_=cell[1]) if isinstance(cell, tuple) else element("td", cell)
        for cell in cells
    ]
    return element("tr", joined(drawn), **attributes)


def _matrix(table: Sequence[Row], ids: Mapping[int, str]) -> Markup:
    lines = []
    for row in table:
        links = joined(
            element(
                "a",
                number,
                href=f"#{ids[id(measured)]}",
                class_=f"dot {measured.verdict}",
                title=ms(measured.outage_ms),
            )
            for number, measured in enumerate(row.measurements, 1)
        )
        share = min(row.worst / row.budget, 1) * 100 if row.budget else 0
        meter = element("span", element("i", class_=row.verdict, style=f"width:{share:.0f}%"), class_="meter")
        lines.append(
            _line(
                row.stack,
                row.fault,
                *((text, "n") for text in figures(row)),
                (ms(row.budget), "n"),
                meter,
                (WORDS[row.verdict], row.verdict),
                joined([links, element("span", f" {row.void} of {row.count} void", class_="small")])
                if row.void
                else links,
            )
        )
    heads = (
        "Stack",
        "Fault",
        "Outage, median>",
        "Maximum>",
        "Failed requests>",
        "Budget>",
        "Of it",
        "Verdict",
    )
    return element("section", element("h2", "Scenario by fault"), _table((*heads, "Runs"), lines))


def _measurement(measured: Measurement, anchor: str) -> Markup:
    tag = element("span", WORDS[measured.verdict], class_=f"tag {measured.verdict}")
    title = f"{measured.stack}: {measured.fault} of {measured.target} "
    content = [
        element("h2", title, tag),
        *([_figures(measured)] if measured.samples else []),
        _notes(measured),
    ]
    if measured.samples:
        content += [report_svg.timeline(measured), _legend(measured), _shares(measured)]
    if measured.samples or measured.events:
        content.append(_log(measured))
    return element("section", joined(content), id=anchor, class_="measurement")


def _figures(measured: Measurement) -> Markup:
    failures = ", ".join(f"{count} {kind}" for kind, count in kinds(measured.samples).items())
    answered = backends(measured.samples)
    lost = sum(not one.ok for one in measured.kept_samples)
    count = len(measured.outages)
    cells = [
        ("Outage", ms(measured.outage_ms), "one" if count == 1 else f"{count} in all" if count else "none"),
        ("Budget", ms(measured.budget.ms), measured.budget.derivation),
        (
            "Failed requests",
            measured.failed,
            f"of {len(measured.samples)}{': ' if failures else ''}{failures}",
        ),
        (
            "On a kept connection",
            ms(sum(outage.ms for outage in measured.kept)),
            f"{lost} of {len(measured.kept_samples)} failed",
        ),
    ]
    if latency := measured.latency:
        note = f"99 % within {latency[99]:.0f} ms, all within {latency[100]:.0f} ms"
        cells.append(("Answers, median", f"{latency[50]:.1f} ms", note))
    if answered:
        cells.append(("Who answered", len(answered), ", ".join(f"{who} {n}" for who, n in answered.items())))
    error = f"machines' clocks known to {measured.clock_error * 1000:.1f} ms"
    if how := request(measured):
        every, given_up = how.items()
        cells.append((every[0].capitalize(), every[1], " ".join(given_up)))
    cells.append(("Probe's own lag", ms(measured.lag * 1000), error))
    if load := measured.load:
        taken = f"from the fault to the end; {load.stolen:.0%} taken by its own host"
        cells.append(("Host's processors", f"{load.busy:.0%} busy", taken))
    return element(
        "dl",
        joined(
            element("div", element("dt", name), element("dd", value), element("dd", note, class_="small"))
            for name, value, note in cells
        ),
        class_="figures",
    )


def _notes(measured: Measurement) -> Markup:
    said = [measured.why] if measured.why else []
    said += [f"not read: {line}" for line in measured.missing]
    return joined(element("p", line, class_="note") for line in said)


def _legend(measured: Measurement) -> Markup:
    said = [("fault", "fault in place"), ("outage", "no answer")]
    said += [(f"on{number % 6}", f"on {name}") for number, name in enumerate(machines_of(measured.events))]
    said += [("key", "key is there"), ("answered", "slowest answer"), ("failed", "failed")]
    shown = [element("span", element("i", class_=style), text) for style, text in said]
    return element("p", joined(shown), element("span", "◆ point at a mark to read it"), class_="legend")


def _shares(measured: Measurement) -> Markup:
    if not measured.shares:
        return Markup("")
    lines = []
    for number, share in enumerate(measured.shares):
        lines.append(
            _line(
                joined([element("i", class_=f"p{number}"), Markup(share.name)]),
                (f"{share.ms:.0f} ms", "n"),
                ("-" if share.bound_ms is None else f"{share.bound_ms:.0f} ms", "n"),
                share.source or "-",
                (f"{share.overhead:.0f} ms", "n"),
                "" if share.seen else "not seen",
                class_=None if share.seen else "unseen",
            )
        )
    configured = sum(share.configured for share in measured.shares)
    overhead = sum(share.overhead for share in measured.shares)
    allowed = f"{configured:.0f} ms allowed for by configuration"
    total = (f"{configured + overhead:.0f} ms", "n")
    lines.append(_line("All", total, "", allowed, (f"{overhead:.0f} ms", "n"), "", class_="sum"))
    heads = ("Part", "Took>", "Bound>", "Configured by", "Beyond it>", "")
    title = element("h3", "What the longest outage went to")
    return joined([title, report_svg.parts(measured.shares), _table(heads, lines, class_="shares")])


def _log(measured: Measurement) -> Markup:
    lines = [
        _line(
            (f"{event.at - measured.at:+.3f} s", "n"),
            event.kind,
            event.machine,
            event.lane,
            event.what,
            event.text,
        )
        for event in measured.events
        if event.what not in ("refreshed", "running")
    ]
    return element("details", element("summary", f"{len(lines)} events"), _table((), lines, class_="log"))


def _changes(changes: Sequence[Change], against: str) -> Markup:
    lines = [
        _line(
            one.stack,
            one.fault,
            *(("-" if median is None else ms(median), "n") for median in one.medians),
            (one.word, one.word.rpartition("now ")[2].split()[0]),
        )
        for one in changes
    ]
    heads = ("Stack", "Fault", "Before>", "Now>", "Change")
    return element("section", element("h2", f"Against run {against}"), _table(heads, lines))


def _nights(nights: Nights, budgets: Mapping[tuple[str, str], float], unread: Sequence[str]) -> Markup:
    plots = [
        joined([element("h3", f"{stack}: {fault}"), report_svg.nights(series, budgets[stack, fault])])
        for (stack, fault), series in nights.items()
        if (stack, fault) in budgets
    ]
    note = "Median (dot) and maximum (line) of the last runs that have made the same fault."
    note += f" Not to be read: {', '.join(unread)}." if unread else ""
    return element("section", element("h2", "Over the last runs"), element("p", note), joined(plots))
