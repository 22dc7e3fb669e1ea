"""A container finds its own id in what is mounted in it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dockreg import itself

ID = "2d151d56f838" + "0" * 52
DOCKER = f"""\
614 600 0:53 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
633 612 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
634 612 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
635 612 254:1 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw
"""
ELSEWHERE = DOCKER.replace("/var/lib/docker", "/labs/machines/host-1/docker")
NONE = "700 612 254:1 /etc/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"


@pytest.mark.parametrize("mounts", [DOCKER, ELSEWHERE])
def test_the_id_is_in_the_path_of_dockers_own_file(mounts: str) -> None:
    assert itself.container_id(mounts) == ID


@pytest.mark.parametrize("mounts", ["", NONE, DOCKER.replace(ID, "short")])
def test_what_is_not_dockers_gives_no_id(mounts: str) -> None:
    assert itself.container_id(mounts) == ""


def test_without_an_id_the_host_name_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(itself, "MOUNTS", tmp_path / "absent")
    assert itself.own_name() == socket.gethostname()
