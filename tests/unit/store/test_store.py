"""What a lab leaves on disk about itself, and how two changes of one lab are kept apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import store, topology
from lab.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    return tmp_path


def record(name: str, stage: store.Stage = "up") -> store.Record:
    described = topology.parse(f"name: {name}\nmachines: [{{name: a, metadata: {{disk: ssd}}}}]", "lab.yaml")
    store.folder(name).mkdir(parents=True)
    made = store.Record(
        name=name,
        stage=stage,
        provider="nspawn",
        reason="asked for",
        kvm=False,
        box="0123",
        topology=described,
    )
    made.save()
    return made


def test_a_record_reads_as_it_was_written() -> None:
    written = record("one")

    assert store.read("one") == written
    assert store.require("one") == written


def test_a_lab_that_is_not_there_is_answered_with_what_is() -> None:
    record("first")

    with pytest.raises(UserError, match=r"no lab 'frist' is up.*did you mean 'first'.*lab up"):
        store.require("frist")


def test_with_no_lab_at_all_the_answer_is_how_to_make_one() -> None:
    with pytest.raises(UserError, match=r"^no lab 'default' is up; `lab up` makes one$"):
        store.require("default")


@pytest.mark.parametrize("stage", ["making", "going"])
def test_a_half_made_lab_is_not_up(stage: store.Stage) -> None:
    record("half", stage)

    with pytest.raises(UserError, match=r"half made.*lab up"):
        store.require("half")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "torn"}', '{"topology": {}}', "\xff"])
def test_a_torn_record_is_none(text: str) -> None:
    record("torn")
    (store.folder("torn") / "lab.json").write_bytes(text.encode("latin-1"))

    assert store.read("torn") is None


def test_a_lab_is_changed_by_one_at_a_time() -> None:
    with store.lock("one"), pytest.raises(UserError, match=r"being changed"), store.lock("one"):
        pass


def test_labs_with_different_names_do_not_wait_for_one_another() -> None:
    with store.lock("one"), store.lock("two"):
        pass


def test_a_lock_goes_with_the_process_that_held_it(home: Path) -> None:
    code = (
        "import signal; from lab import store\n"
        "with store.lock('one'): print('held', flush=True); signal.pause()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=r"being changed"), store.lock("one"):
        pass

    holder.kill()
    holder.wait(10)

    with store.lock("one"):
        pass
