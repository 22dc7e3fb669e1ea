"""Outages are counted from the last good answer to the next one, whatever the samples look like."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lab.probe import Sample, lag, outages


def series(text: str, interval: float = 0.02, duration: float = 0.001) -> list[Sample]:
    """One sample a character: `.` good, `r` refused."""
    kinds = {".": "ok", "r": "refused", "t": "timeout"}
    return [Sample(index * interval, duration, kinds[letter]) for index, letter in enumerate(text)]


samples = st.lists(
    st.tuples(
        st.floats(0, 0.5), st.floats(0.0001, 1.0), st.sampled_from(["ok", "ok", "refused", "http 503"])
    ),
    max_size=60,
).map(lambda rows: laid_out(rows))


def laid_out(rows: list[tuple[float, float, str]]) -> list[Sample]:
    found: list[Sample] = []
    for pause, duration, kind in rows:
        found.append(Sample((found[-1].end if found else 5.0) + pause, duration, kind))
    return found


def test_only_good_answers_are_no_outage() -> None:
    assert outages(series("....")) == []
    assert outages([]) == []


def test_an_outage_runs_from_the_last_good_answer_to_the_next() -> None:
    (outage,) = outages(series("..rr.."))
    assert round(outage.ms) == 60
    assert outage.failed == 2
    assert outage.over


def test_two_stretches_are_two_outages() -> None:
    assert [outage.failed for outage in outages(series(".r.rrr."))] == [1, 3]


def test_an_outage_that_does_not_end_says_so() -> None:
    (outage,) = outages(series("..rr"))
    assert not outage.over
    assert round(outage.ms) == 40


def test_an_outage_from_the_start_begins_with_the_first_request() -> None:
    (outage,) = outages(series("rr."))
    assert outage.start == 0
    assert round(outage.ms) == 41


@given(samples)
def test_every_failed_request_is_in_just_one_outage(taken: list[Sample]) -> None:
    found = outages(taken)
    assert sum(outage.failed for outage in found) == sum(not sample.ok for sample in taken)
    for sample in taken:
        around = [gap for gap in found if gap.start <= sample.start and sample.end <= gap.end]
        if not sample.ok:
            assert len(around) == 1


@given(samples)
def test_outages_do_not_overlap_and_no_good_answer_lies_inside_one(taken: list[Sample]) -> None:
    found = outages(taken)
    for before, after in itertools.pairwise(found):
        assert before.end <= after.start
    for gap in found:
        assert gap.start < gap.end
        assert not [sample for sample in taken if sample.ok and gap.start < sample.end < gap.end]


@given(samples)
def test_only_the_last_outage_may_be_open(taken: list[Sample]) -> None:
    found = outages(taken)
    assert all(gap.over for gap in found[:-1])
    if found:
        assert found[-1].over == taken[-1].ok or found[-1].end < taken[-1].end


def test_a_late_start_and_an_overlong_request_are_the_probe_s_own_lag() -> None:
    on_time = series("....")
    assert lag(on_time, interval=0.02, timeout=1) < 1e-9
    assert lag([on_time[0], Sample(0.32, 0.001, "ok")], interval=0.02, timeout=1) == 0.3
    assert lag([Sample(0, 1.25, "timeout")], interval=0.02, timeout=1) == 0.25
