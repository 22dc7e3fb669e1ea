"""What a person, a log and a program see of the lab's progress."""

from __future__ import annotations

import io
import json
import time

import pytest

from lab import progress
from lab.progress import Progress
from lab.waiting import eventually


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_says_how_long_a_step_took() -> None:
    stream = io.StringIO()

    with Progress(stream=stream).step("doing"):
        pass

    assert stream.getvalue() == "doing: 0.0 s\n"


def test_a_log_hears_of_a_slow_step_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SLOW", 0.1)
    stream = io.StringIO()

    with Progress(stream=stream).step("doing"):
        eventually(lambda: "doing ..." in stream.getvalue(), within=5)

    assert stream.getvalue().endswith(" s\n")
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_has_one_line_that_is_wiped_at_the_end() -> None:
    stream = Terminal()

    with Progress(stream=stream).step("doing"):
        eventually(lambda: "doing" in stream.getvalue(), within=5)

    assert stream.getvalue().startswith("\r\x1b[K")
    assert stream.getvalue().endswith("\r\x1b[Kdoing: " + stream.getvalue().rpartition("doing: ")[2])


def test_a_program_gets_one_json_document_a_line() -> None:
    stream = io.StringIO()
    shown = Progress("json", stream)

    with shown.step("doing"):
        shown.note("by the way")

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["begin", "note", "end"]
    assert events[2]["seconds"] < 1


def test_quiet_is_quiet() -> None:
    stream = io.StringIO()
    shown = Progress("quiet", stream)

    with shown.step("doing"):
        shown.note("by the way")

    assert stream.getvalue() == ""


def test_a_step_that_fails_is_said_to_have_failed() -> None:
    stream = io.StringIO()

    with pytest.raises(ZeroDivisionError), Progress(stream=stream).step("doing"):
        raise ZeroDivisionError

    assert "doing: failed (ZeroDivisionError)" in stream.getvalue()


def test_steps_side_by_side_are_all_shown() -> None:
    stream = Terminal()
    shown = Progress(stream=stream)

    with shown.step("first"), shown.step("second"):
        eventually(lambda: "first 0 s | second 0 s" in stream.getvalue(), within=5)


def test_a_step_after_a_pause_is_shown_as_well() -> None:
    stream = Terminal()
    shown = Progress(stream=stream)
    with shown.step("first"):
        pass
    time.sleep(2 * progress.REDRAW)  # the thread that draws ends when it has nothing to draw

    with shown.step("second"):
        eventually(lambda: "second 0 s" in stream.getvalue(), within=5)
