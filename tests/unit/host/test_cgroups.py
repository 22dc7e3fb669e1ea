"""The host's control group hierarchies are found in whatever form it has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import cgroups

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n/dev/vda / ext4 rw 0 0\n"
HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs ro 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        (V2, ["/sys/fs/cgroup"]),
        (HYBRID, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
        ("", []),
        (HYBRID + HYBRID, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
    ],
)
def test_hierarchies_are_read_from_the_mounts(mounts: str, expected: list[str]) -> None:
    assert cgroups.hierarchies(mounts) == [Path(place) for place in expected]


def test_a_lab_that_never_was_has_no_processes_and_nothing_to_remove() -> None:
    assert cgroups.pids("no-such-lab") == []
    assert cgroups.remove("no-such-lab") is False


@pytest.mark.skipif(os.geteuid() != 0, reason="control groups are made by root")
def test_containers_of_a_machine_count_as_many_processes_and_not_as_one() -> None:
    name = f"lab-unit-{os.getpid()}"
    try:
        groups = [group for group in cgroups.create(name, "one") if (group / "cpu.shares").exists()]
        if not groups:
            pytest.skip("this host has no cpu hierarchy of v1")
        for group in groups:
            assert int((group / "docker" / "cpu.shares").read_text()) == 10 * int(
                (group / "cpu.shares").read_text()
            )
    finally:
        cgroups.remove(name)
    assert not any((top / cgroups.ROOT / name).exists() for top in cgroups.hierarchies())
