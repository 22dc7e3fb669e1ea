"""The report says outages, budgets and verdicts, in the terminal and as HTML, and what has changed."""

from __future__ import annotations

import html
import re
import xml.dom.minidom
from typing import Any

import pytest

from lab import report_html, report_svg, report_text
from lab.measurement import Measurement, unmeasured
from lab.processors import Load
from lab.report_lanes import lanes, strip
from lab.report_rows import compare, nights, rows
from lab.samples import Outage
from lab.timeline import Event
from tests.unit.report.samples_of_a_run import BUDGET, STACK, measurement, run, void


def test_repetitions_are_one_row_with_median_and_maximum() -> None:
    first, second = rows(run().measurements)
    assert (first.count, round(first.median), round(first.worst)) == (2, 6000, 6500)
    assert (second.verdict, second.median) == ("void", 0)


def test_one_repetition_over_budget_makes_the_row_so() -> None:
    (row,) = rows([measurement(), measurement(verdict="over"), measurement()])
    assert row.verdict == "over"


def blind() -> Measurement:
    """A measurement that the probe slept through, with the outage that it then saw."""
    return measurement(9.5, verdict="void", why="the probe itself stood still for 4000 ms in all")


def test_a_cell_that_was_void_and_measured_anew_is_judged_by_what_is_sound() -> None:
    (row,) = rows([blind(), measurement()])
    assert (row.verdict, row.why, row.count, row.void, round(row.worst)) == ("within", "", 2, 1, 5500)
    _, line = report_text.table(row.measurements)
    assert "2 (1 void)" in line
    assert "within" in line
    assert f"detection {report_text.ms(measurement().shares[0].ms)}" in line, "the sound one's longest part"
    page = report_html.page(run("a", blind(), measurement()))
    matrix = page.partition("Scenario by fault")[2].partition("</section>")[0]
    assert "1 of 2 void" in matrix
    assert '<td class="within">within budget</td>' in matrix
    (night,) = nights([run("a", blind(), measurement())])["ambassador", "power-loss (nspawn)"]
    assert (night[0], round(night[1]), round(night[2])) == ("a", 5500, 5500)


def test_a_cell_that_was_never_measured_soundly_is_void_and_says_why() -> None:
    (row,) = rows([blind(), blind()])
    assert (row.verdict, row.void, row.worst) == ("void", 2, 0)
    assert "stood still" in row.why


def test_a_cell_over_its_budget_says_why_it_is_and_not_why_another_was_void() -> None:
    (row,) = rows([blind(), measurement(verdict="over", why="too long"), measurement()])
    assert (row.verdict, row.why, row.void) == ("over", "too long", 1)


def test_a_cell_that_is_not_possible_has_its_reason_and_no_figures() -> None:
    nowhere = impossible()
    head, line, reason = report_text.table([nowhere])
    assert " ".join(line[head.index("OUTAGE") :].split()) == "- - - 8000 ms not possible here -"
    assert reason.endswith("clock-step of follower: a container has the host's clock")
    page = report_html.page(run("a", nowhere, measurement()))
    assert "1 within budget, <b" in page
    assert "1 not possible here</b>" in page
    assert '<td class="impossible">not possible here</td>' in page
    assert nights([run("a", nowhere)]) == {}


def test_a_cell_that_broke_once_has_failed_whatever_the_others_say() -> None:
    broken = unmeasured(STACK, "power-loss", "", "nspawn", BUDGET, "failed", "no machine answers")
    (row,) = rows([measurement(verdict="over"), broken])
    assert (row.verdict, row.why, row.void, round(row.worst)) == ("failed", "no machine answers", 0, 5500)


def impossible() -> Measurement:
    why = "a container has the host's clock"
    return unmeasured(STACK, "clock-step", "follower", "nspawn", BUDGET, "impossible", why)


def test_the_cells_of_a_stack_follow_one_another_whoever_measured_between_them() -> None:
    cells = rows([measurement(), void(), measurement(fault="reboot"), measurement()])
    assert [(row.stack, row.fault) for row in cells] == [
        ("ambassador", "power-loss"),
        ("ambassador", "reboot"),
        ("confd", "pause"),
    ]


def test_a_report_says_how_often_and_how_patiently_was_asked() -> None:
    asked = {"interval": 0.008, "timeout": 1.0}
    slow = measurement(stack="rundock", interval=0.05, timeout=4.0)
    lines = report_text.table([measurement(**asked), measurement(fault="reboot", **asked), slow])
    assert lines[-2:] == [
        "ambassador: a request every 8 ms, given up after 1000 ms",
        "rundock: a request every 50 ms, given up after 4000 ms",
    ]
    page = report_html.page(run("a", slow))
    assert "<dt>A request every</dt><dd>50 ms</dd>" in page
    assert "given up after 4000 ms" in page


def test_a_report_of_a_run_of_older_code_says_nothing_of_its_requests() -> None:
    assert "a request every" not in "\n".join(report_text.table([measurement()]))
    assert "A request every" not in report_html.page(run("a", measurement()))


def test_a_report_says_how_busy_the_host_was_and_in_which_cell_most() -> None:
    loads = {"mute": Load(0.5, 0.0), "deaf": Load(0.7, 0.0), "pause": Load(0.6, 0.3)}
    cells = [measurement(load=load, fault=fault) for fault, load in loads.items()]
    most = "at most 60% busy, 30% taken by its own host (ambassador pause)"
    assert report_text.table([*cells, measurement()])[-1] == f"host's processors: 60% busy (median), {most}"
    for full in (Load(0.95, 0.0), Load(0.6, 0.4)):
        assert report_text.table([measurement(load=full)])[-1].endswith("; an outage may be the host's")
    page = report_html.page(run("a", cells[2]))
    head = html.escape("Host's processors")
    note = '<dd class="small">from the fault to the end; 30% taken by its own host</dd>'
    assert f"<dt>{head}</dt><dd>60% busy</dd>{note}" in page
    assert "processors" not in report_html.page(run("a", measurement())), "older code did not keep it"


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


def test_a_unit_that_is_back_on_the_machine_that_took_it_along_has_two_bars() -> None:
    events = [
        Event(0.0, "unit", "web.service", "running", "", "coreos-1"),
        Event(5.0, "boot", "coreos-1", "boot", "", "coreos-1"),
        Event(7.0, "unit", "web.service", "started", "", "coreos-1"),
    ]
    (found,) = (one for one in lanes(measurement(events=events)) if one.name == "web.service")
    assert [(bar.start, bar.end) for bar in found.bars] == [(0.0, 2.0), (7.0, 12.0)]


def test_where_there_is_no_room_for_all_times_the_longest_outage_has_its_own() -> None:
    short, long = Outage(1.98, 1.996, 2), Outage(2.0, 2.4, 40)
    drawn = str(report_svg.timeline(measurement(outages=[short, long])))
    labels = re.findall(r'class="gap"[^>]*>([^<]+)<', drawn)
    assert labels == ["400 ms"]


def test_a_container_that_no_unit_keeps_has_a_lane() -> None:
    lane = "host-1:haproxy"
    events = [
        Event(3.0, "unit", lane, "started", "started", "host-1"),
        Event(5.0, "unit", lane, "exited", "exited", "host-1"),
    ]
    (found,) = (one for one in lanes(measurement(events=events)) if one.name == lane)
    assert [(bar.start, bar.end) for bar in found.bars] == [(3.0, 5.0)]


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


def test_a_cell_without_figures_on_one_side_is_compared_in_words() -> None:
    sound = run("a", measurement(5.5))
    broken = run("b", unmeasured(STACK, "power-loss", "", "nspawn", BUDGET, "failed", "no machine answers"))
    (worse,), (better,) = compare(sound, broken), compare(broken, sound)
    assert (worse.word, [round(ms) if ms else ms for ms in worse.medians]) == (
        "within budget, now failed",
        [5500, None],
    )
    assert (better.word, better.medians[0]) == ("failed, now within", None)
    assert [change.word for change in compare(broken, broken)] == ["failed"]
    assert " -  " in report_text.comparison([worse])[1]


def test_containers_are_compared_with_containers_where_one_run_has_virtual_machines_too() -> None:
    before, emulated = run("a", measurement(5.5)), measurement(9.5, provider="libvirt")
    assert [one.word for one in compare(before, run("c", emulated))] == ["gone", "new"]
    after = run("b", measurement(5.6), emulated)
    assert [(one.fault, one.word) for one in compare(before, after)] == [
        ("power-loss (nspawn)", "same"),
        ("power-loss (libvirt)", "new"),
    ]


def test_nights_are_a_series_without_void_runs() -> None:
    series = nights([run("a"), run("b", measurement(4.0))])
    assert {cell: [name for name, _, _ in found] for cell, found in series.items()} == {
        ("ambassador", "power-loss (nspawn)"): ["a", "b"]
    }


def test_a_plot_has_containers_or_virtual_machines() -> None:
    here, there = measurement(4.0), measurement(9.0, provider="libvirt")
    series = nights([run("a", here), run("b", there), run("c", here, there)])
    assert {cell: [name for name, _, _ in found] for cell, found in series.items()} == {
        ("ambassador", "power-loss (nspawn)"): ["a", "c"],
        ("ambassador", "power-loss (libvirt)"): ["b", "c"],
    }
    for drawn, plots in ((run("a", here), 1), (run("c", here, there), 2)):
        page = report_html.page(drawn, series)
        assert page.partition("Over the last runs")[2].count("<svg") == plots


@pytest.mark.parametrize("seconds", [0.0, 0.02, 5.5, 9.9])
def test_any_measurement_can_be_drawn(seconds: float) -> None:
    drawn = report_svg.timeline(measurement(seconds))
    xml.dom.minidom.parseString(drawn)
    assert "nan" not in drawn


def test_containers_and_virtual_machines_are_measured_apart() -> None:
    both = [measurement(), measurement(1.0, provider="libvirt")]
    assert [(row.fault, row.count) for row in rows(both)] == [
        ("power-loss (nspawn)", 1),
        ("power-loss (libvirt)", 1),
    ]
    assert [row.fault for row in rows(both[:1])] == ["power-loss"]
