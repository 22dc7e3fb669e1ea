"""The box as it is really built on this host: what is in it, and what a build that is killed leaves."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import box, store
from lab.box import Box
from lab.box_stage import Stages, sealed
from lab.errors import UserError
from lab.progress import Progress
from lab.topology import BoxSource
from lab.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a box can only be made by root")

QUIET = Progress("quiet")
BUILD = """
from lab.box import ensure
from lab.progress import Progress
from lab.topology import BoxSource
print(ensure(BoxSource(), Progress("quiet")).key)
"""


@pytest.fixture(scope="module")
def whole() -> Box:
    return box.ensure(BoxSource(), QUIET)


def inside(whole: Box, command: str, tmp_path: Path) -> str:
    """Run `command` in a throw-away machine root of the box, which is not booted."""
    lower = ":".join(str(layer) for layer in whole.layers())
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir(exist_ok=True)
    root = tmp_path / "root"
    options = f"lowerdir={lower},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = f"mount -t overlay overlay -o {options} {root}"
    script = f"{mount} && mount -t proc proc {root}/proc && exec chroot {root} sh -c {shlex.quote(command)}"
    return sealed(["sh", "-c", script], timeout=30, network=False)


def test_a_box_that_is_whole_costs_nothing(whole: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def makes(self: Stages, name: str, make: object) -> Path:
        raise AssertionError(f"{name} is made again")

    monkeypatch.setattr(Stages, "ensure", makes)
    assert box.ensure(BoxSource(), QUIET) == whole


def test_it_is_listed_with_its_size(whole: Box) -> None:
    listed = {one.key: one for one in box.list_boxes()}
    assert listed[whole.key].size > 300 * 1024**2


def test_no_identity_is_baked_in(whole: Box, tmp_path: Path) -> None:
    assert (
        inside(whole, "ls /etc/ssh | grep host_ || cat /etc/machine-id /etc/apt/sources.list", tmp_path) == ""
    )
    places = "/var/lib/etcd /etc/apt/sources.list.d /etc/docker"
    files = inside(whole, f"find {places} -type f ! -name config.yml", tmp_path)
    assert files.split() == ["/etc/docker/daemon.json"]


def test_core_has_sudo_and_docker_and_etcdctl_speaks_v2(whole: Box, tmp_path: Path) -> None:
    said = inside(whole, "su core -c 'id -Gn; sudo -n id -u; etcdctl --version'", tmp_path)
    assert "docker" in said.splitlines()[0].split()
    assert said.splitlines()[1] == "0"
    assert "API version: 2" in said


@pytest.mark.parametrize(
    "unit", ["etcd", "docker", "containerd", "ssh", "fleet", "metadata.socket", "lab-identity"]
)
def test_what_a_machine_needs_starts_at_boot(whole: Box, unit: str, tmp_path: Path) -> None:
    assert inside(whole, f"systemctl is-enabled {unit}", tmp_path).strip() == "enabled"


def test_the_stack_s_commands_are_there_and_run(whole: Box, tmp_path: Path) -> None:
    for command in ("fleetd --help", "fleetctl --help"):
        assert "fleet" in inside(whole, command, tmp_path)


def test_the_registry_s_seed_holds_what_articles_pull_and_nothing_of_the_reader(whole: Box) -> None:
    repositories = whole.registry / "docker" / "registry" / "v2" / "repositories"
    names = {str(path.parent.relative_to(repositories)) for path in repositories.glob("*/*/_manifests")}
    ambassadors = {"polvi/simple-amb", "polvi/docker-register", "polvi/dynamic-etcd-amb"}
    others = {"lordelph/confd-demo", "rundock/influxdb", "rundock/dashboard"}
    official = {"library/debian", "library/ubuntu", "library/nginx"}
    assert names == {*official, *ambassadors, *others, "lab/cache"}


def test_a_mirror_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    with pytest.raises(UserError, match="could not be installed") as caught:
        box.ensure(BoxSource(suite="bookworm", mirror="http://127.0.0.1:9/debian"), QUIET)
    assert "\n" not in str(caught.value)
    assert box.list_boxes() == []
    assert not list((tmp_path / "boxes").glob("*.part"))


def start_build(home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "LAB_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", BUILD],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(home: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{home}/boxes" in words:
            found.append(words)
    return found


def test_a_killed_build_leaves_no_process_no_mount_and_no_half_box(tmp_path: Path) -> None:
    builder = start_build(tmp_path)
    eventually(lambda: list(tmp_path.glob("boxes/root-*.part/root/usr")), 60, "packages are being unpacked")
    builder.send_signal(signal.SIGKILL)
    builder.wait(10)
    eventually(lambda: not processes_of(tmp_path), 10, "the builder's processes are gone")
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    Stages(tmp_path / "boxes").sweep()
    assert [path.name for path in (tmp_path / "boxes").iterdir()] == [".locks"]


def test_two_builds_at_once_give_the_same_box(whole: Box, tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    for stage in (store.home() / "boxes").glob("*-*"):
        if stage.name.startswith(("root-", "base-", "images-")) and stage.suffix != ".part":
            (tmp_path / "boxes" / stage.name).symlink_to(stage)
    builders = [start_build(tmp_path) for _ in range(3)]
    for builder in builders:
        said, complained = builder.communicate(timeout=120)
        assert (builder.returncode, said.strip()) == (0, whole.key), complained
    assert len(list(tmp_path.glob("boxes/stack-*"))) == 1
    assert not list(tmp_path.glob("boxes/*.part"))
