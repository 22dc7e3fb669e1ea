"""The report says outages, budgets and verdicts, in the terminal and as HTML, and what has changed."""

from __future__ import annotations

import xml.dom.minidom
from typing import Any

import pytest

from lab import report_html, report_svg, report_text
from lab.report_lanes import lanes, strip
from lab.report_rows import compare, nights, rows
from tests.unit.report.samples_of_a_run import measurement, run, void


def test_repetitions_are_one_row_with_median_and_maximum() -> None:
    first, second = rows(run().measurements)
    assert (first.count, round(first.median), round(first.worst)) == (2, 6000, 6500)
    assert (second.verdict, second.median) == ("void", 0)


def test_one_repetition_over_budget_makes_the_row_so() -> None:
    (row,) = rows([measurement(), measurement(verdict="over"), measurement()])
    assert row.verdict == "over"


def test_a_fault_of_two_targets_is_two_cells_wherever_they_run() -> None:
    killed: dict[str, Any] = {"fault": "container-killed", "target": "coreos-1:x"}
    cells = rows(
        [
            measurement(aim="machine_of(apache.service)"),
            measurement(aim="haproxy.service", **killed),
            measurement(aim="machine_of(web@1.service):web.1", **killed),
            measurement(aim="machine_of(apache.service)", target="coreos-2"),
        ]
    )
    assert [(row.fault, row.count) for row in cells] == [
        ("power-loss of apache's machine", 2),
        ("container-killed of haproxy", 1),
        ("container-killed of web.1 on web@1's machine", 1),
    ]


def test_the_terminal_shows_a_line_a_cell() -> None:
    head, first, second, reason = report_text.table(run().measurements)
    assert head.split()[:3] == ["STACK", "FAULT", "RUNS"]
    assert "6000 ms" in first
    assert "detection 3197 ms" in first
    assert second.endswith("-")
    assert reason == "confd pause: void: <etcd> is sick"


def test_the_strip_shows_where_nobody_answered() -> None:
    line = report_text.sparkline(measurement(), width=24)
    assert line[5:14] == "×" * 9
    assert "×" not in line[:4] + line[16:]


def test_lanes_show_where_units_ran_and_keys_were() -> None:
    found = {lane.name: lane for lane in lanes(measurement())}
    apache = [(bar.start, bar.end, bar.text) for bar in found["apache.service"].bars]
    assert (6.4, 12.0, "apache.service runs on coreos-3") in apache
    assert (0.0, 2.0, "apache.service runs on coreos-1") in apache, "its machine took it along at the fault"
    assert [(bar.start, bar.end) for bar in found["/services/a"].bars] == [(0.0, 5.0), (7.0, 12.0)]
    assert [bar.style for bar in found["coreos-1"].bars] == ["fault"]


def test_a_slice_of_the_strip_counts_its_requests() -> None:
    cells = strip(measurement().samples, 0.0, 12.0, 12)
    assert [cell.failed == 0 for cell in cells[:2] + cells[8:]] == [True] * 6
    assert cells[4].failed == cells[4].asked == 100


def test_the_page_is_well_formed_and_escapes_what_programs_said() -> None:
    page = report_html.page(run(), nights([run()]), compare(run(), run()), "another")
    body = page.partition("<body>")[2].partition("</body>")[0]
    xml.dom.minidom.parseString(body.replace("&nbsp;", " "))
    assert "<etcd>" not in page
    assert "&lt;etcd&gt;" in page
    for outside in ("http://", "https://", "<script", "@import", "url("):
        assert outside not in page


def test_runs_are_compared_cell_by_cell() -> None:
    before = run("a", measurement(5.5), void())
    after = run("b", measurement(7.5), measurement(5.5, fault="reboot"))
    words = {(one.stack, one.fault): one.word for one in compare(before, after)}
    assert words == {
        ("ambassador", "power-loss"): "longer",
        ("confd", "pause"): "gone",
        ("ambassador", "reboot"): "new",
    }
    assert compare(before, run("c", measurement(5.6)))[0].word == "same"
    assert compare(before, run("c", measurement(9, verdict="over")))[0].word == "within budget, now over"


def test_nights_are_a_series_without_void_runs() -> None:
    series = nights([run("a"), run("b", measurement(4.0))])
    assert [name for name, _, _ in series["ambassador", "power-loss"]] == ["a", "b"]
    assert ("confd", "pause") not in series


@pytest.mark.parametrize("seconds", [0.0, 0.02, 5.5, 9.9])
def test_any_measurement_can_be_drawn(seconds: float) -> None:
    drawn = report_svg.timeline(measurement(seconds))
    xml.dom.minidom.parseString(drawn)
    assert "nan" not in drawn
