"""A time as etcd writes it is a moment."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.etcd import moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("2026-11-21T09:52:15.123456789Z", 1795254735.123456789),
    ],
)
def test_a_time_has_up_to_nine_decimal_places(text: str, seconds: float) -> None:
    assert moment(text) == pytest.approx(seconds, abs=1e-6)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))
def test_every_time_is_read_as_utc(time: datetime) -> None:
    assert moment(time.isoformat() + "Z") == pytest.approx(
        time.replace(tzinfo=timezone.utc).timestamp(), abs=1e-5
    )
