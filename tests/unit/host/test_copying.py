"""A clone shares what may be shared, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab import processes
from lab.copying import clone, discard
from lab.waiting import eventually


def make_tree(folder: Path) -> Path:
    for name in ("layers/one/file", "store/blobs/sha/data", "store/links/tag", "database"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_a_clone_has_the_same_files_with_the_same_content(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source")
    clone(source, tmp_path / "copy", ["layers", "store/blobs"])
    names = {path.relative_to(source) for path in source.rglob("*")}
    assert {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*")} == names
    assert (tmp_path / "copy/store/links/tag").read_text() == "store/links/tag"


def test_only_what_is_named_is_linked(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source")
    clone(source, tmp_path / "copy", ["layers", "store/blobs"])
    linked = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and path.samefile(tmp_path / "copy" / path.relative_to(source))
    }
    assert linked == {"layers/one/file", "store/blobs/sha/data"}


def test_writing_into_a_clone_leaves_its_source_alone(tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source")
    clone(source, tmp_path / "copy", ["layers", "store/blobs"])
    (tmp_path / "copy/database").write_text("changed")
    (tmp_path / "copy/store/links/tag").write_text("changed")
    assert (source / "database").read_text() == "database"
    assert (source / "store/links/tag").read_text() == "store/links/tag"


def test_discarding_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    discard(tmp_path / "nothing")
    discard(make_tree(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


def test_what_a_killed_harness_was_removing_is_left_alone_from_then_on(tmp_path: Path) -> None:
    """The next one removes the same tree, and two of them would trip each other up."""
    rm, removing = tmp_path / "bin/rm", tmp_path / "removing"
    rm.parent.mkdir()
    rm.write_text(f"#!/bin/sh\necho $$ > {removing}.new && mv {removing}.new {removing}\nexec sleep 60\n")
    rm.chmod(0o755)
    removal = "import lab.copying, pathlib, sys; lab.copying.discard(pathlib.Path(sys.argv[1]))"
    path = f"{rm.parent}{os.pathsep}{os.environ['PATH']}"
    harness = subprocess.Popen(
        [sys.executable, "-c", removal, str(rm)],
        env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        eventually(removing.exists, 30, "rm has begun")
    finally:
        harness.kill()
        harness.wait(10)
    pid = int(removing.read_text())
    eventually(lambda: not processes.alive(pid), 30, "rm has ended with the harness")
