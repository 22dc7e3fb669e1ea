"""What nginx goes by, read from what a machine prints: its file, and the workers that cannot know it."""

from __future__ import annotations

import pytest

from scenarios.balanced import Configured, read_configured

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
    said = f"1790000000.250\n1790000002.250000000\n100.00 180.20\n{workers}{SITE}"
    seen = read_configured(said)
    assert (seen.backends, seen.old) == (BACKENDS, old)
    assert len(seen.workers) == workers.count("\n")


def test_a_file_without_backends_is_one() -> None:
    assert read_configured("1.000\n3.0\n50.00 1.0\n" + stat(9, 4_900)) == Configured(frozenset(), (9,), ())


def test_what_no_machine_prints_is_refused() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        read_configured("")
