"""A run that was kept reads back as it was, and the latest is found by that name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import runs
from lab.errors import UserError
from lab.processors import Load
from lab.timeline import Event, read, write
from tests.unit.report.samples_of_a_run import measurement


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))


def test_a_measurement_reads_back_as_it_was() -> None:
    kept = measurement(load=Load(0.9, 0.05))
    assert runs.load(runs.save(runs.begin(), kept)) == kept


def test_a_measurement_that_older_code_has_kept_is_read() -> None:
    file = runs.save(runs.begin(), measurement(interval=0.008, timeout=1.0))
    document = json.loads(file.read_text())
    assert (document.pop("interval"), document.pop("timeout"), document.pop("load")) == (0.008, 1.0, None)
    file.write_text(json.dumps(document))
    assert runs.load(file) == measurement()


def test_latest_is_the_last_run_and_measurements_keep_their_order() -> None:
    first, second = runs.begin(now=1e9), runs.begin(now=1e9)
    runs.save(first, measurement(name="old"))
    runs.save(second, measurement(name="b"))
    runs.save(second, measurement(name="a"))
    assert [one.name for one in runs.open_run().measurements] == ["b", "a"]
    assert [one.name for one in runs.open_run(first.name).measurements] == ["old"]
    assert runs.names() == [first.name, second.name]


def test_a_run_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(UserError, match="no run is kept"):
        runs.open_run()
    name = runs.begin(now=1e9).name
    with pytest.raises(UserError, match=name):
        runs.open_run(name[:-1])


def test_events_are_kept_in_order_of_time(tmp_path: Path) -> None:
    late, early = Event(2.0, "heal", "x", "y"), Event(1.0, "fault", "x", "y", data={"a": 1})
    write(tmp_path / "events.jsonl", [late, early])
    assert read(tmp_path / "events.jsonl") == [early, late]
