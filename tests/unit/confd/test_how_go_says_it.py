"""Modes, numbers, errors of the system, times, and lines of the log as Go and confd write them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import pytest

from confd import gotext
from confd.gotime import Moment
from confd.log import BadLevel, Log, rfc3339

CAPTURED = Moment(1410887628_012345678)  # 2014-09-16 17:13:48 UTC


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "<-0330>3:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (0o600, "-rw-------"),
        (0o640, "-rw-r-----"),
        (0o1130, "t--x-wx---"),
        (0o130, "---x-wx---"),
        (0o4755, "urwxr-xr-x"),
        (0o2755, "grwxr-xr-x"),
        (0, "----------"),
    ],
)
def test_file_modes(mode: int, text: str) -> None:
    assert gotext.file_mode(mode) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 0o644),
        ("0o644", 0o644),
        ("420", 420),
        ("600", 600),
        ("0x1a4", 420),
        ("0b11", 3),
        ("0", 0),
        ("1_0", 10),
    ],
)
def test_numbers_of_base_0(text: str, value: int) -> None:
    assert gotext.parse_uint(text, 32) == value


@pytest.mark.parametrize("text", ["", "rw-r--r--", "0888", "-1", "+1", "1__0", "1_", "0x", " 1", "٣"])
def test_what_is_no_number_is_refused_in_gos_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"strconv.ParseUint: parsing .*: invalid syntax"):
        gotext.parse_uint(text, 32)


def test_numbers_have_bounds() -> None:
    with pytest.raises(ValueError, match="value out of range"):
        gotext.parse_uint("0x100000000", 32)
    with pytest.raises(ValueError, match="value out of range"):
        gotext.atoi("9223372036854775808")
    assert gotext.atoi("-9223372036854775808") == -(1 << 63)
    assert gotext.parse_int("-0x10") == -16
    with pytest.raises(ValueError, match=r"strconv.Atoi: parsing .0x10.: invalid syntax"):
        gotext.atoi("0x10")


def test_errors_of_the_system() -> None:
    assert gotext.os_error(PermissionError(13, "Denied"), "open", "/x") == "open /x: permission denied"
    assert gotext.errno_text(OSError("no HTTP answer")) == "no HTTP answer"
    assert (gotext.signal_text(15), gotext.signal_text(2), gotext.signal_text(9)) == (
        "terminated",
        "interrupt",
        "killed",
    )


def test_halves_of_surrogate_pairs_become_the_replacement_character() -> None:
    assert gotext.scalar("a\ud800b\U0001f600ü") == "a\ufffdb\U0001f600ü"


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("2006-01-02 15:04:05", "2014-09-16 17:13:48"),
        ("Mon Jan _2 15:04:05 2006", "Tue Sep 16 17:13:48 2014"),
        ("Monday, 02-Jan-06 3:04PM MST", "Tuesday, 16-Sep-14 5:13PM UTC"),
        ("2006-01-02T15:04:05Z07:00", "2014-09-16T17:13:48Z"),
        ("January 2, 06 -0700 -07:00 -07", "September 16, 14 +0000 +00:00 +00"),
        (".000 .000000 .9 .999999999", ".012 .012345 .012345678"),
        ("002 __2 1 2 03 3 4 5 pm", "259 259 9 16 05 5 13 48 pm"),
        ("no layout: Janet 7", "no layout: Janet 7"),
    ],
)
def test_times(layout: str, text: str) -> None:
    assert CAPTURED.in_utc().format(layout).replace("  ", " ") == text


@pytest.mark.usefixtures("zone")
def test_times_of_a_place() -> None:
    assert CAPTURED.format("15:04 -0700 Z07:00 -07") == "13:43 -0330 -03:30 -03"
    assert CAPTURED.in_utc().format("15:04 Z07:00") == "17:13 Z"
    assert str(CAPTURED) == "2014-09-16 13:43:48.012345678 -0330 -0330"
    assert rfc3339(1410887628) == "2014-09-16T13:43:48-03:30"
    assert (str(CAPTURED.month()), str(CAPTURED.weekday()), CAPTURED.unix()) == (
        "September",
        "Tuesday",
        1410887628,
    )


LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) \S+ \S+\[(\d+)\]: (\w+) (.*)")


def lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capfd.readouterr()
    assert out == ""
    found = [LINE.fullmatch(line) for line in err.splitlines()]
    assert all(match and match[2] == str(os.getpid()) for match in found), err
    return [f"{match[3]} {match[4]}" for match in found if match]


def test_a_line_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log()
    log.debug("no")
    log.info("Starting confd")
    log.warning("two\nlines\r")
    log.error("\udcff")
    log.fatal("end")
    assert lines(capfd) == ["INFO Starting confd", r"WARNING two\nlines\r", r"ERROR \udcff", "FATAL end"]


@pytest.mark.parametrize(
    ("level", "shown"),
    [("panic", 0), ("fatal", 1), ("error", 2), ("warn", 3), ("WARNING", 3), ("info", 4), ("debug", 5)],
)
def test_levels(capfd: pytest.CaptureFixture[str], level: str, shown: int) -> None:
    log = Log(level)
    for write in (log.debug, log.info, log.warning, log.error, log.fatal):
        write("x")
    assert len(lines(capfd)) == shown


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(BadLevel, match='not a valid level: "frob"'):
        Log("frob")
