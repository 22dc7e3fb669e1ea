"""`confd -onetime`: what is written, said and run, and the exit code."""

from __future__ import annotations

import os
import stat
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from tests.stack.confd.conftest import LINE, Confd
from tests.stack.conftest import Etcd

FIRST = "server 10.1.0.101:80;\n"


def synced(confd: Confd) -> list[str]:
    return [
        f"INFO Target config {confd.dest} out of sync",
        f"INFO Target config {confd.dest} has been updated",
    ]


def test_the_first_pass_writes_the_file_and_says_so(app: Confd, etcd: Etcd) -> None:
    result = app.once()
    assert (result.code, result.said, result.out) == (0, synced(app), "")
    assert app.dest.read_text() == FIRST
    assert stat.S_IMODE(app.dest.stat().st_mode) == 0o644
    assert [LINE.fullmatch(line)[1] for line in result.log.splitlines()[:3]] == [  # type: ignore[index]
        "INFO Backend set to etcd",
        "INFO Starting confd",
        f"INFO Backend source(s) set to {etcd.endpoint}",
    ]


def test_a_second_pass_touches_nothing(app: Confd) -> None:
    app.once()
    before = app.dest.stat()
    result = app.once("-log-level", "debug")
    assert result.code == 0
    assert f"DEBUG Target config {app.dest} in sync" in result.said
    assert "DEBUG Got the following map from store: map[/web/a:10.1.0.101:80]" in result.said
    after = app.dest.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert app.once().said == []


def test_a_change_is_told_by_its_sums(app: Confd, etcd: Etcd) -> None:
    app.once()
    etcd.client().set("/web/b", "10.1.0.102:80")
    sums = [md5(text.encode()).hexdigest() for text in (FIRST, FIRST + "server 10.1.0.102:80;\n")]
    assert app.once().said == [f"INFO {app.dest} has md5sum {sums[0]} should be {sums[1]}", *synced(app)]


@pytest.mark.parametrize(
    ("mode", "shown", "bits"),
    [("0640", "-rw-r-----", 0o640), ("420", "-rw-r--r--", 0o644), ("600", "---x-wx---", 0o130)],
)
def test_a_mode_alone_puts_the_file_out_of_sync(app: Confd, mode: str, shown: str, bits: int) -> None:
    app.once()
    app.dest.chmod(0o600)
    app.resource(mode=mode, reload_cmd=f"touch {app.folder}/reloaded")
    assert app.once().said == [f"INFO {app.dest} has mode -rw------- should be {shown}", *synced(app)]
    assert stat.S_IMODE(app.dest.stat().st_mode) == bits
    assert (app.folder / "reloaded").exists()


def test_without_a_mode_the_files_own_one_stays(app: Confd, etcd: Etcd) -> None:
    app.once()
    app.dest.chmod(0o4750)
    etcd.client().set("/web/b", "x")
    app.once()
    assert stat.S_IMODE(app.dest.stat().st_mode) == 0o4750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("keys", "uid", "gid"),
    [
        ({"uid": 65534, "gid": 65534}, 65534, 65534),
        ({"owner": "nobody", "group": "nogroup"}, 65534, 65534),
        ({"owner": "12345"}, 12345, 0),
        ({"uid": 7, "owner": "nobody"}, 7, 0),
    ],
)
def test_owner_and_group_by_number_and_by_name(app: Confd, keys: dict[str, Any], uid: int, gid: int) -> None:
    app.once()
    app.resource(**keys)
    said = [f"INFO {app.dest} has UID 0 should be {uid}"]
    said += [f"INFO {app.dest} has GID 0 should be {gid}"] if gid else []
    assert app.once().said == said + synced(app)
    assert (app.dest.stat().st_uid, app.dest.stat().st_gid) == (uid, gid)
    assert app.once().said == []


def test_check_and_reload_run_only_after_a_change(app: Confd, etcd: Etcd) -> None:
    ran = app.folder / "ran"
    app.resource(check_cmd=f"cat {{{{.src}}}} >> {ran}; echo checked", reload_cmd=f"cat {app.dest} >> {ran}")
    assert app.once().code == 0
    app.once()
    assert ran.read_text() == FIRST * 2
    etcd.client().set("/web/a", "new")
    said = app.once("-log-level=debug").said
    assert ran.read_text() == FIRST * 2 + "server new;\n" * 2
    assert 'DEBUG "checked\\n"' in said
    assert f"DEBUG Running cat {app.dest} >> {ran}" in said


def test_a_failing_check_leaves_the_old_file(app: Confd, etcd: Etcd) -> None:
    app.once()
    etcd.client().set("/web/a", "new")
    app.resource(check_cmd="echo 'bad \"{{.src}}'; exit 3", reload_cmd=f"touch {app.folder}/reloaded")
    for _ in range(2):  # it is tried again on every pass
        result = app.once()
        assert result.code == 1
        assert result.said[1] == f"INFO Target config {app.dest} out of sync"
        assert result.said[2].startswith(f'ERROR "bad \\"{app.dest.parent}/.app.conf')
        assert result.said[3:] == [
            f"{level} Config check failed: exit status 3" for level in ("ERROR", "FATAL")
        ]
    assert app.dest.read_text() == FIRST
    assert app.staged() == []
    assert not (app.folder / "reloaded").exists()


def test_a_failing_reload_has_replaced_the_file_and_is_forgotten(app: Confd) -> None:
    app.resource(reload_cmd="echo no; exit 2")
    result = app.once()
    assert result.code == 1
    assert result.said == [synced(app)[0], 'ERROR "no\\n"', "ERROR exit status 2", "FATAL exit status 2"]
    assert app.dest.read_text() == FIRST
    assert app.once().said == []


def test_a_command_ended_by_a_signal(app: Confd) -> None:
    app.resource(reload_cmd="kill -9 $$")
    assert app.once().said[-1] == "FATAL signal: killed"


def test_a_daemon_that_a_command_leaves_behind_holds_nothing_up(app: Confd) -> None:
    app.resource(reload_cmd=f"sleep 25 & echo $! > {app.folder}/pid")
    assert app.once().code == 0
    os.kill(int((app.folder / "pid").read_text()), 15)


def test_noop_says_what_would_change_on_every_pass(app: Confd, etcd: Etcd) -> None:
    warning = f"WARNING Noop mode enabled. {app.dest} will not be modified"
    assert app.once("-noop").said == [warning]
    assert not app.dest.exists()
    app.once()
    etcd.client().set("/web/a", "new")
    result = app.once("-noop")
    assert (result.code, app.dest.read_text(), app.staged()) == (0, FIRST, [])
    assert "should be" in result.said[0]
    assert result.said[1] == warning


def test_sync_only_runs_no_command(app: Confd) -> None:
    app.resource(check_cmd="exit 1", reload_cmd="exit 1")
    result = app.once("-sync-only")
    assert (result.code, result.said, app.dest.read_text()) == (0, synced(app), FIRST)


def test_staged_files_may_be_kept(app: Confd, etcd: Etcd) -> None:
    app.once()
    etcd.client().set("/web/a", "new")
    result = app.once("-keep-stage-file", "-noop")
    [kept] = app.staged()
    assert kept.startswith(".app.conf")
    assert kept.removeprefix(".app.conf").isdigit()
    assert result.said[0] == f"INFO Keeping staged file: {app.dest.parent}/{kept}"
    assert (app.dest.parent / kept).read_text() == "server new;\n"


def test_prefixes_are_put_in_front_and_taken_off_again(app: Confd, etcd: Etcd) -> None:
    for prefix in ("/own", "/all"):
        etcd.client().set(f"{prefix}/web/a", prefix)
    app.resource(prefix="own")
    app.once()
    assert app.dest.read_text() == "server /own;\n"
    app.once("-prefix", "/all")
    assert app.dest.read_text() == "server /all;\n"


def test_a_failing_resource_does_not_stop_the_others_and_the_last_error_counts(app: Confd) -> None:
    app.resource("a", keys=["/one"])
    app.resource("m", src="app.tmpl")
    app.resource("z", keys=["/two"])
    result = app.once()
    assert result.code == 1
    assert [each.partition(" [")[0] for each in result.said if "100: " in each] == [
        "ERROR 100: Key not found (/one)",
        "ERROR 100: Key not found (/two)",
        "FATAL 100: Key not found (/two)",
    ]
    assert app.dest.read_text() == FIRST


def test_a_missing_key_leaves_the_file_alone(app: Confd, etcd: Etcd) -> None:
    app.once()
    etcd.client().delete("/web", recursive=True)
    result = app.once()
    assert result.code == 1
    assert result.said[0].startswith("ERROR 100: Key not found (/web) [")
    assert app.dest.read_text() == FIRST


def test_a_key_may_be_one_value_and_several_keys_are_joined(confd: Confd, etcd: Etcd) -> None:
    etcd.client().set("/a/one", "1")
    etcd.client().set("/b/c/d", "2")
    etcd.client().set("/other", "3")
    confd.template('{{getv "/a/one"}}{{getv "/b/c/d"}}{{exists "/other"}}')
    confd.resource(keys=["/a/one", "//b/"])
    assert confd.once().code == 0
    assert confd.dest.read_text() == "12false"


def test_the_resource_itself_may_be_the_configuration_file(app: Confd) -> None:
    """Claim C6: the article calls confd this way."""
    result = app.once("-config-file", str(app.confdir / "conf.d/app.toml"))
    assert (result.code, result.said) == (0, synced(app))


def test_a_node_without_a_scheme_and_several_nodes(app: Confd, etcd: Etcd) -> None:
    app.nodes = ("127.0.0.1:9", f"127.0.0.1:{etcd.port}")
    result = app.once()
    assert result.code == 0
    assert f"Backend source(s) set to 127.0.0.1:9, 127.0.0.1:{etcd.port}" in result.log


def test_nodes_come_from_the_environment_if_none_is_given(app: Confd, etcd: Etcd) -> None:
    app.nodes = ()
    assert app.once(ETCDCTL_PEERS=f"http://127.0.0.1:9,{etcd.endpoint}").code == 0


def test_onetime_wins_over_watch_and_interval(app: Confd) -> None:
    assert app.once("-watch", "-interval=1").code == 0


def test_a_destination_that_is_a_mount_is_rewritten_in_place(app: Confd, etcd: Etcd) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    app.once()
    app.file("script", f'mount --bind {app.folder}/origin {app.dest} && exec "$@"')
    (app.folder / "origin").write_text("old\n")
    command = app.command
    wrapped = ("unshare", "--mount", "--propagation", "private", "sh", str(app.confdir / "script"))
    app.command = lambda *flags: [*wrapped, *command(*flags)]  # type: ignore[method-assign]
    result = app.once("-log-level=debug")
    assert "DEBUG Rename failed - target is likely a mount. Trying to write instead" in result.said
    assert result.said[-1] == synced(app)[1]
    assert (app.folder / "origin").read_text() == FIRST
    assert app.staged() == []


def test_bytes_that_are_no_text_are_kept(app: Confd) -> None:
    app.template('\udcff\udc80{{len "ü"}}')
    app.once()
    assert app.dest.read_bytes() == b"\xff\x802"


def test_the_version(app: Confd) -> None:
    result = app.run("-version")
    assert (result.code, result.log) == (0, "")
    assert result.out.startswith("confd 0.16.0 ")


def test_a_symbolic_link_is_replaced_not_followed(app: Confd, tmp_path: Path) -> None:
    app.dest.parent.mkdir(exist_ok=True)
    (tmp_path / "real").write_text("real")
    app.dest.symlink_to(tmp_path / "real")
    app.once()
    assert app.dest.read_text() == FIRST
    assert not app.dest.is_symlink()
    assert (tmp_path / "real").read_text() == "real"
