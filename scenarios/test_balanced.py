"""What nginx goes by, read from what a machine prints: its file, and the workers that cannot know it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scenarios.balanced import WHEN, Configured, look_at, read_configured

SITE = "upstream pool {\n    server 10.1.0.101:7777;\n    server 10.1.0.102:8888;\n\n}\n"
BACKENDS = frozenset({"10.1.0.101:7777", "10.1.0.102:8888"})


def stat(pid: int, started: int) -> str:
    """A line of /proc/PID/stat with the start in its 22nd field, in hundredths of a second."""
    return f"{pid} (nginx: a) worker) S 7 {' '.join(['0'] * 17)} {started} 8192 500\n"


@pytest.mark.parametrize(
    ("workers", "old"),
    [
        ("", ()),
        (stat(31, 9_900) + stat(32, 9_901), ()),  # a second after the file
        (stat(11, 9_700) + stat(31, 9_900), (11,)),  # one of before still ends
        (stat(11, 9_700) + stat(12, 500), (11, 12)),  # nobody has told nginx
    ],
)
def test_a_worker_that_was_there_before_the_file_does_not_know_it(workers: str, old: tuple[int, ...]) -> None:
    said = f"{SITE}{WHEN}\n1790000000.250\n1790000002.250000000\n100.00 180.20\n{workers}"
    seen = read_configured(said)
    assert (seen.backends, seen.old) == (BACKENDS, old)
    assert len(seen.workers) == workers.count("\n")


def test_a_file_without_backends_is_one() -> None:
    assert read_configured(f"{WHEN}\n1.000\n3.0\n50.00 1.0\n" + stat(9, 4_900)) == Configured(
        frozenset(), (9,), ()
    )


def test_a_file_that_is_replaced_during_a_look_is_not_taken_for_known() -> None:
    """The new content with the old time would say that all workers are younger than the file."""
    assert look_at("").index("cat $file") < look_at("").index("stat -c")


def test_a_shell_prints_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "site").write_text(SITE)
    line = look_at(f"file={tmp_path}/site; pid=$$")
    seen = read_configured(
        subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
    )
    assert seen.backends == BACKENDS


def test_what_no_machine_prints_is_refused() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        read_configured("")
