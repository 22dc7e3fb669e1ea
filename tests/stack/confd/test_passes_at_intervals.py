"""`confd -interval`: what is touched, what is read anew, etcd away and back, and how it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.stack.confd.conftest import Confd
from tests.stack.conftest import Etcd, wait_for


def test_with_nothing_changed_nothing_is_touched(app: Confd) -> None:
    app.resource(reload_cmd=f"echo reload >> {app.folder}/reloads")
    daemon = app.start("-interval", "1", "-log-level", "debug")
    daemon.says("in sync", times=1)
    first = app.dest.stat()
    folder = app.dest.parent.stat()
    daemon.says("in sync", times=4)
    assert app.dest.stat() == first
    assert app.staged() == []
    assert app.dest.parent.stat().st_ino == folder.st_ino
    assert (app.folder / "reloads").read_text() == "reload\n"
    assert sum("Running" in each for each in daemon.said) == 1


def test_many_writes_are_one_reload(app: Confd, etcd: Etcd) -> None:
    app.resource(reload_cmd=f"echo reload >> {app.folder}/reloads")
    daemon = app.start("-interval", "1")
    daemon.says("has been updated")
    for number in range(10):
        etcd.client().set("/web/a", str(number))
    daemon.says("has been updated", times=2)
    wait_for(lambda: app.dest.read_text() == "server 9;\n", 3, "the last value")
    assert len((app.folder / "reloads").read_text().splitlines()) <= 3  # a pass may fall between the writes


def test_resources_are_read_anew_each_time(app: Confd) -> None:
    daemon = app.start("-interval", "1")
    daemon.says("has been updated")
    app.template("second", "second.tmpl")
    app.resource("second", dest=str(app.dest.parent / "second"), mod="1")
    daemon.says(f"{app.dest.parent}/second has been updated")
    app.template("again", "second.tmpl")
    daemon.says(f"{app.dest.parent}/second has been updated", times=2)
    assert sum("Unknown key" in each for each in daemon.said) == 1


def test_a_resource_that_cannot_be_read_ends_the_daemon(app: Confd) -> None:
    daemon = app.start("-interval", "1")
    daemon.says("has been updated")
    app.file("conf.d/bad.toml", "[")
    assert daemon.process.wait(8) == 1
    assert daemon.said[-1].startswith(
        f"FATAL Cannot process template resource {app.confdir}/conf.d/bad.toml - "
    )


def test_etcd_away_keeps_the_file_and_etcd_back_is_enough(app: Confd, etcd: Etcd) -> None:
    daemon = app.start("-interval", "1")
    daemon.says("has been updated")
    before = app.dest.stat()
    etcd.stop()
    away = (
        "ERROR client: etcd cluster is unavailable or misconfigured; error #0: "
        f"dial tcp 127.0.0.1:{etcd.port}: connect: connection refused"
    )
    daemon.says(away, times=2)
    assert app.dest.stat() == before
    etcd.start()
    etcd.client().set("/web/b", "back")
    daemon.says("has been updated", times=2)
    assert app.dest.read_text() == "server 10.1.0.101:80;\nserver back;\n"


def test_it_may_begin_before_etcd(app: Confd, etcd: Etcd) -> None:
    etcd.stop()
    daemon = app.start("-interval", "1")
    daemon.says("connection refused")
    assert not app.dest.exists()
    etcd.start()
    daemon.says("has been updated")


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt")])
@pytest.mark.parametrize("how", ["-interval=60", "-watch"])
def test_a_signal_ends_it_at_once(app: Confd, number: signal.Signals, name: str, how: str) -> None:
    daemon = app.start(how)
    daemon.says("has been updated")
    assert daemon.stop(number) == 0
    assert daemon.said[-1] == f"INFO Captured {name}. Exiting..."


def test_an_interval_longer_than_any_clock(app: Confd) -> None:
    daemon = app.start("-interval", str((1 << 63) - 1))
    daemon.says("has been updated")
    assert daemon.stop() == 0


def test_a_signal_just_ends_a_single_pass(app: Confd) -> None:
    app.resource(check_cmd=f"echo $$ > {app.folder}/pid; exec sleep 20")
    single = app.start("-onetime")
    wait_for(lambda: _written(app.folder / "pid"), 5, "the check runs")
    assert single.stop(signal.SIGINT) == -signal.SIGINT
    os.kill(int((app.folder / "pid").read_text()), signal.SIGKILL)


def test_a_signal_in_the_middle_of_a_check_leaves_no_staged_file(app: Confd) -> None:
    app.resource(check_cmd=f"echo $$ > {app.folder}/pid; exec sleep 20")
    daemon = app.start("-interval=60")
    wait_for(lambda: _written(app.folder / "pid"), 5, "the check runs")
    assert daemon.stop() == 0
    os.kill(
        int((app.folder / "pid").read_text()), signal.SIGKILL
    )  # the command outlives confd, as Go's would
    assert app.staged() == []
    assert not app.dest.exists()


def _written(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


def test_a_failed_reload_is_tried_again_where_the_resource_asks_for_it(app: Confd) -> None:
    app.resource(
        reload_cmd=f"test -e {app.folder}/ready && echo x >> {app.folder}/reloads", reload_retry=True
    )
    daemon = app.start("-interval", "1")
    daemon.says("ERROR exit status 1", times=2)
    (app.folder / "ready").touch()
    wait_for(lambda: (app.folder / "reloads").exists(), 5, "the reload")
    seen = len(daemon.said)
    app.template("{{/* a pass later */}}x")
    daemon.says("has been updated")
    assert (app.folder / "reloads").read_text() == "x\nx\n"
    assert not any("ERROR" in each for each in daemon.said[seen:])


def test_a_failed_reload_is_forgotten_otherwise(app: Confd) -> None:
    app.resource(reload_cmd="exit 1")
    daemon = app.start("-interval", "1", "-log-level=debug")
    daemon.says("in sync", times=2)
    assert sum("exit status 1" in each for each in daemon.said) == 1
