"""Where a private libvirtd can live, and what it finds there."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import kvm
from lab.errors import MachineError, UserError
from lab.providers.libvirtd import PrivateLibvirt


def test_a_folder_whose_socket_would_have_too_long_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a socket's path may have 107; set LAB_HOME to a shorter folder"):
        PrivateLibvirt(tmp_path / ("x" * 100), "none").write()
    assert not (tmp_path / ("x" * 100)).exists()


@pytest.mark.parametrize("place", ["/run/l", "/dev/shm/l", "/sys/l"])
def test_a_folder_that_the_daemon_could_not_see_is_refused(place: str) -> None:
    with pytest.raises(UserError, match="set LAB_HOME"):
        PrivateLibvirt(Path(place), "none").write()


def test_its_configuration_can_be_written_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lab.providers.libvirtd.SOCKET_LIMIT", 500)  # pytest's folders have long names
    daemon = PrivateLibvirt(tmp_path, "none")
    for _ in range(2):
        daemon.write()
    network = ElementTree.parse(daemon.home / "etc/qemu/networks/control.xml")
    assert network.find("port[@isolated='yes']") is not None  # machines never meet on the control network
    link = daemon.home / "etc/qemu/networks/autostart/control.xml"
    assert link.readlink() == Path("/etc/libvirt/qemu/networks/control.xml")


def test_a_daemon_that_was_never_started_can_be_stopped_and_enters_nothing(tmp_path: Path) -> None:
    daemon = PrivateLibvirt(tmp_path, "none")
    assert not daemon.running()
    assert daemon.stop() == 0
    with pytest.raises(MachineError, match="libvirtd does not run"):
        daemon.command("true")


def test_without_a_device_there_is_no_kvm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "kvm")
    assert kvm.works(None, tmp_path) == (False, f"{tmp_path}/kvm does not exist")


@pytest.mark.skipif(not kvm.DEVICE.exists(), reason="has no /dev/kvm")
def test_without_a_kernel_kvm_is_not_taken_on_trust(tmp_path: Path) -> None:
    works, reason = kvm.works(None, tmp_path)
    assert not works
    assert "not been tried" in reason or "not installed" in reason or "not be opened" in reason


@pytest.mark.skipif(not kvm.DEVICE.exists(), reason="has no /dev/kvm")
def test_an_answer_holds_until_the_host_boots_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("first\n")
    monkeypatch.setattr(kvm, "BOOT_ID", boot)
    monkeypatch.setattr(kvm, "_missing", lambda: "")
    tried: list[Path] = []

    def try_boot(kernel: Path) -> tuple[bool, str]:
        tried.append(kernel)
        return False, "no line"

    monkeypatch.setattr(kvm, "try_boot", try_boot)
    kernel = tmp_path / "vmlinuz"
    kernel.write_text("")
    assert kvm.works(kernel, tmp_path) == kvm.works(kernel, tmp_path) == (False, "no line")
    assert len(tried) == 1
    boot.write_text("second\n")
    kvm.works(kernel, tmp_path)
    assert len(tried) == 2
