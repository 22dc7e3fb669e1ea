"""What the lab asks of a host, and the one line that it says when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import preflight
from lab.errors import UserError


def test_memory_is_what_programs_can_still_have() -> None:
    meminfo = "MemTotal:  8000000 kB\nMemFree:  100000 kB\nMemAvailable:  4000000 kB\n"

    assert preflight.available_memory(meminfo) == 4000000 * 1024


def test_a_kernel_that_does_not_tell_has_none() -> None:
    assert preflight.available_memory("MemTotal: 8000000 kB\n") == 0


def test_a_missing_command_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    mends = {finding.what: finding.mend for finding in preflight.findings("nspawn") if not finding.ok}

    assert "systemd-container" in mends["systemd-nspawn is missing"]
    assert "vagrant is missing" not in mends


def test_virtual_machines_need_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    lacking = {finding.what for finding in preflight.findings("libvirt") if not finding.ok}

    assert {"vagrant is missing", "libvirtd is missing", "qemu-system-x86_64 is missing"} <= lacking


@pytest.mark.parametrize(("name", "words"), [("DISK", "GiB of disk free"), ("MEMORY", "GiB of memory free")])
def test_too_little_room_is_said_with_what_to_do(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, name, 1 << 60)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "COMMON", {})

    with pytest.raises(UserError, match=f"{words}.*the lab needs") as caught:
        preflight.require_host("nspawn")

    assert "\n" not in str(caught.value)


def test_a_home_that_is_not_there_yet_is_measured_where_it_will_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "not/yet"))

    assert any("GiB of disk free" in finding.what for finding in preflight.findings("nspawn"))
