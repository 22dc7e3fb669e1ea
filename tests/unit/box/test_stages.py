"""A stage of the box is there whole or not at all, whoever builds it and however that ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab import box
from lab.box_stage import Stages
from lab.errors import UserError
from lab.waiting import eventually


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "boxes")


def make_file(out: Path) -> None:
    (out / "file").write_text("whole")


def test_a_stage_is_made_once(stages: Stages) -> None:
    made: list[Path] = []
    first = stages.ensure("root-1", lambda out: made.append(out))
    assert stages.ensure("root-1", lambda out: made.append(out)) == first
    assert len(made) == 1
    assert stages.names() == ["root-1"]


def test_a_build_that_fails_leaves_nothing(stages: Stages) -> None:
    def fail(out: Path) -> None:
        make_file(out)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        stages.ensure("root-1", fail)
    assert [path.name for path in stages.folder.iterdir()] == [".locks"]


def test_two_builders_at_once_make_one_stage(stages: Stages) -> None:
    begun, go = threading.Event(), threading.Event()
    made: list[int] = []

    def slow(out: Path) -> None:
        made.append(1)
        begun.set()
        go.wait(10)
        make_file(out)

    builders = [threading.Thread(target=stages.ensure, args=("root-1", slow)) for _ in range(4)]
    for builder in builders:
        builder.start()
    assert begun.wait(10)
    go.set()
    for builder in builders:
        builder.join(10)
    assert made == [1]
    assert (stages.folder / "root-1" / "file").read_text() == "whole"


BUILDER = """
import sys, time
from pathlib import Path
from lab.box_stage import Stages

def make(out):
    (out / "half").write_text("half")
    print("begun", flush=True)
    time.sleep(60)

Stages(Path(sys.argv[1])).ensure(sys.argv[2], make)
"""


def start_builder(stages: Stages, name: str) -> subprocess.Popen[str]:
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(stages.folder), name], stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stdout.readline() == "begun\n"
    return builder


def test_what_a_killed_builder_left_is_no_stage_and_goes_with_the_next_build_of_anything(
    stages: Stages,
) -> None:
    builder = start_builder(stages, "root-1")
    builder.send_signal(signal.SIGKILL)
    builder.wait(10)
    assert stages.names() == []
    assert (stages.folder / "root-1.part" / "half").exists()
    stages.ensure("stack-2", make_file)
    assert not (stages.folder / "root-1.part").exists()
    stages.ensure("root-1", make_file)
    assert sorted(path.name for path in (stages.folder / "root-1").iterdir()) == ["file", "size"]


def test_what_a_living_builder_works_on_is_not_swept_away(stages: Stages) -> None:
    builder = start_builder(stages, "root-1")
    try:
        stages.ensure("stack-2", make_file)
        assert (stages.folder / "root-1.part" / "half").exists()
    finally:
        builder.kill()
        builder.wait(10)


def test_a_builder_that_waited_for_a_removal_still_builds_under_a_lock(stages: Stages) -> None:
    stages.ensure("root-1", make_file)
    lock = stages.folder / ".locks" / "root-1"
    done = threading.Event()

    def rebuild() -> None:
        stages.ensure("root-1", make_file)
        done.set()

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (stages.folder / "root-1").rename(stages.folder / "gone")
        builder = threading.Thread(target=rebuild)
        builder.start()
        lock.unlink()
    builder.join(10)
    assert done.is_set()
    eventually(lambda: lock.exists(), 5, "the builder made a lock of its own")


def test_no_room_is_said_before_anything_is_made(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.box_stage.NEEDED", 10**18)
    with pytest.raises(UserError, match="GB free, a box needs"):
        stages.ensure("root-1", make_file)
    assert stages.names() == []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two boxes that share a root; lab `one` uses the first."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    stages = Stages(tmp_path / "boxes")
    for name in ("root-1", "stack-1", "stack-2", "stack-0"):
        stages.ensure(name, make_file)
    for key, stack in (("aaa1", "stack-1"), ("bbb2", "stack-2")):
        record = {"suite": "bookworm", "stages": ["root-1", stack]}
        (stages.folder / f"{key}.json").write_text(json.dumps(record))
    (tmp_path / "labs" / "one").mkdir(parents=True)
    (tmp_path / "labs" / "one" / "lab.json").write_text('{"box": "aaa1"}')
    return tmp_path


def test_boxes_are_listed_with_size_and_users(home: Path) -> None:
    assert [(one.key, one.suite, one.vm, one.used_by) for one in box.list_boxes()] == [
        ("aaa1", "bookworm", False, ("one",)),
        ("bbb2", "bookworm", False, ()),
    ]
    assert all(one.size >= 8192 for one in box.list_boxes())


def test_the_size_of_a_stage_is_counted_once(home: Path) -> None:
    before = {one.key: one.size for one in box.list_boxes()}
    for file in (home / "boxes").glob("*/file"):
        file.write_bytes(b"x" * (1 << 20))  # nothing writes to a stage; this shows that nobody looks

    assert {one.key: one.size for one in box.list_boxes()} == before


def test_old_boxes_are_those_that_no_lab_uses_and_nobody_asked_for(home: Path) -> None:
    assert box.remove("old") == ["stack-0"], "a stage of no box"
    long_ago = time.time() - 8 * box.DAY
    for record in (home / "boxes").glob("*.json"):
        os.utime(record, (long_ago, long_ago))
    assert box.remove("old", days=9) == []

    assert box.remove("old") == ["box bbb2", "stack-2"]
    assert [one.key for one in box.list_boxes()] == ["aaa1"]


def test_removing_a_box_keeps_what_others_share(home: Path) -> None:
    assert box.remove("bbb") == ["box bbb2", "stack-0", "stack-2"]
    assert Stages(home / "boxes").names() == ["root-1", "stack-1"]


def test_a_box_that_a_lab_uses_is_never_removed(home: Path) -> None:
    with pytest.raises(UserError, match="used by lab one"):
        box.remove("aaa1")
    box.remove("all")
    assert Stages(home / "boxes").names() == ["root-1", "stack-1"]
    (home / "labs" / "one" / "lab.json").unlink()
    box.remove("all")
    assert Stages(home / "boxes").names() == []
    assert box.list_boxes() == []


def test_an_unknown_box_is_said_with_those_there_are(home: Path) -> None:
    with pytest.raises(UserError, match="no box 'ccc'; the boxes are: aaa1, bbb2"):
        box.remove("ccc")
