"""Bad input: one clear line in the original's manner, the original's exit code, nothing half made."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stack.confd.conftest import Confd, Server, environment
from tests.stack.conftest import Etcd

INVALID = "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint"


def failed(confd: Confd, *flags: str) -> list[str]:
    """What a single pass that fails says, but for the backend's lines."""
    result = confd.once(*flags)
    assert result.code == 1
    if confd.dest.parent.exists():
        assert confd.staged() == []
    return result.said


def both(text: str) -> list[str]:
    """A resource's error is the program's last word, too."""
    return [f"ERROR {text}", f"FATAL {text}"]


def test_an_unknown_key_is_a_warning_of_ours(app: Confd) -> None:
    path = app.resource(mod="0644")
    result = app.once()
    assert result.code == 0
    assert result.said[0] == f'WARNING Unknown key "template.mod" in {path}: ignored'
    assert app.dest.exists()


@pytest.mark.parametrize("src", [None, ""])
def test_a_resource_without_src_stops_all_of_them(app: Confd, src: str | None) -> None:
    app.resource("bad", src=src)
    assert failed(app) == ["FATAL empty src template"]
    assert not app.dest.exists()


def test_what_is_no_toml_stops_all_of_them_and_each_is_named(app: Confd) -> None:
    app.file("conf.d/x.toml", "[template\n")
    app.file("conf.d/y.toml", '[template]\nsrc = "a"\nkeys = "b"\n')
    first, last = failed(app)
    assert first.startswith(f"ERROR Cannot process template resource {app.confdir}/conf.d/x.toml - ")
    assert last == (
        f"FATAL Cannot process template resource {app.confdir}/conf.d/y.toml - "
        "toml: cannot load TOML value of type string into a Go slice (key keys)"
    )
    assert not app.dest.exists()


def test_a_template_that_does_not_parse(app: Confd) -> None:
    app.template("x\n{{range}}")
    place = f"{app.confdir}/templates/app.tmpl"
    text = f"Unable to process template {place}, template: app.tmpl:2: missing value for range"
    assert failed(app) == both(text)
    assert not app.dest.exists()


def test_a_template_that_is_not_there(app: Confd) -> None:
    app.resource(src="none.tmpl")
    assert failed(app) == both(f"Missing template: {app.confdir}/templates/none.tmpl")


def test_a_template_that_is_a_folder(app: Confd) -> None:
    app.resource(src=".")
    place = f"{app.confdir}/templates"
    assert failed(app) == both(f"Unable to process template {place}, read {place}: is a directory")


def test_a_missing_key(app: Confd, etcd: Etcd) -> None:
    app.resource(keys=["/nothere"])
    index = etcd.client().get("/").index
    assert failed(app) == both(f"100: Key not found (/nothere) [{index}]")


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"owner": "nosuchuser"}, "user: unknown user nosuchuser"),
        ({"group": "nosuchgroup"}, "group: unknown group nosuchgroup"),
        ({"mode": "rw"}, 'strconv.ParseUint: parsing "rw": invalid syntax'),
        ({"mode": "0o777777777777"}, 'strconv.ParseUint: parsing "0o777777777777": value out of range'),
        ({"check_cmd": "{{"}, "Config check failed: template: checkcmd:1: unclosed action"),
        ({"check_cmd": "a\u0000b"}, "Config check failed: fork/exec /bin/sh: invalid argument"),
    ],
)
def test_a_value_that_means_nothing(app: Confd, keys: dict[str, Any], text: str) -> None:
    app.resource(**keys)
    assert failed(app)[-2:] == both(text)
    assert not app.dest.exists()


def test_no_destination(app: Confd) -> None:
    path = app.resource(dest="")
    assert failed(app) == both(f"empty dest: {path} does not say where to write")


def test_a_destination_in_a_folder_that_is_not_there(app: Confd) -> None:
    app.resource(dest=f"{app.folder}/none/app.conf")
    error, fatal = failed(app)
    assert error.startswith(f"ERROR open {app.folder}/none/.app.conf")
    assert error.endswith(": no such file or directory")
    assert fatal == error.replace("ERROR", "FATAL")


def test_a_destination_that_is_a_folder(app: Confd) -> None:
    app.dest.mkdir(parents=True)
    said = failed(app)
    assert said[0] == f"INFO Target config {app.dest} out of sync"
    assert said[1].startswith(f"ERROR rename {app.dest.parent}/.app.conf")
    assert said[1].endswith(f" {app.dest}: file exists")


def test_a_destination_where_nothing_may_be_written(app: Confd) -> None:
    app.resource(dest="/proc/app.conf")
    error, _ = failed(app)
    assert error.startswith("ERROR open /proc/.app.conf")
    assert error.rpartition(": ")[2] in ("no such file or directory", "permission denied")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("-log-level", "frob"), 1, ['FATAL not a valid level: "frob"']),
        (("-backend", "frob"), 1, ["FATAL Invalid backend"]),
        (("-backend", "consul"), 1, ["FATAL Invalid backend"]),
        (
            ("-secret-keyring", "/x"),
            1,
            ["FATAL secret-keyring: cget, cgets, cgetv and cgetvs are not built in"],
        ),
        (
            ("-confdir", "/nonexistent"),
            0,
            ["WARNING Cannot load template resources: confdir '/nonexistent' does not exist"],
        ),
        (
            ("-node", "ftp://x"),
            1,
            ["FATAL not an etcd endpoint: 'ftp://x' (expected http://HOST:PORT)"],
        ),
        (
            ("-node", "https://127.0.0.1:1", "-client-ca-keys", "/none"),
            1,
            ["FATAL open /none: no such file or directory"],
        ),
    ],
)
def test_flags_that_mean_nothing(app: Confd, flags: tuple[str, ...], code: int, said: list[str]) -> None:
    result = app.once(*flags)
    assert (result.code, result.said) == (code, said)


def test_an_unknown_flag_gives_the_usage(app: Confd) -> None:
    result = app.run("-frob")
    assert (result.code, result.out) == (2, "")
    assert result.log.startswith("flag provided but not defined: -frob\nUsage of confd:\n  -app-id string\n")


def test_folders_without_resources(app: Confd) -> None:
    (app.confdir / "conf.d/app.toml").unlink()
    result = app.once()
    assert (result.code, result.said) == (0, ["WARNING Found no templates"])
    (app.confdir / "conf.d").rmdir()
    assert failed(app) == [f"FATAL stat {app.confdir}/conf.d: no such file or directory"]


def test_a_configuration_file_that_is_no_toml(app: Confd, tmp_path: Path) -> None:
    (tmp_path / "confd.toml").write_text("interval =")
    [said] = failed(app, "-config-file", str(tmp_path / "confd.toml"))
    assert said.startswith(f"FATAL {tmp_path}/confd.toml: Invalid value")


def test_etcd_is_not_there(app: Confd) -> None:
    app.nodes = ("http://127.0.0.1:9",)
    place = "dial tcp 127.0.0.1:9: connect: connection refused"
    assert failed(app) == both(f"client: etcd cluster is unavailable or misconfigured; error #0: {place}")
    app.nodes = ("http://127.0.0.1:9", "127.0.0.1:11")
    assert "; error #1: dial tcp 127.0.0.1:11: connect" in failed(app)[0]


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(b"<html>hello</html>"), INVALID),
        (answer(b""), INVALID),
        (answer(b"[]"), INVALID),
        (answer(b'{"action": "get"}'), INVALID),
        (answer(b'{"node": {"nodes": [7]}}'), INVALID),
        (answer(b'{"node": ' * 30000), INVALID),
        (answer(b"\xff\xfe"), INVALID),
        (answer(b"404 page not found\n", "404 Not Found"), INVALID),
        (
            answer(b'{"message": "no"}', "503 Service Unavailable"),
            "; error #0: client: etcd member HERE has no leader",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "; error #0: read tcp PLACE: no HTTP answer"),
        (b"", "; error #0: read tcp PLACE: the answer ended too early"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "; error #0: read tcp PLACE: a body of more than",
        ),
    ],
)
def test_etcd_answers_nonsense(app: Confd, server: Server, sent: bytes, said: str) -> None:
    app.once()
    before = app.dest.stat()
    app.nodes = (server.endpoint,)
    server.answer = lambda connection: connection.sendall(sent)
    error, fatal = failed(app)
    assert said.replace("HERE", server.endpoint).replace("PLACE", f"127.0.0.1:{server.port}") in error
    assert error.startswith("ERROR client: ")
    assert fatal == error.replace("ERROR", "FATAL")
    assert app.dest.stat() == before


def test_etcd_refuses_in_its_own_words(app: Confd, server: Server) -> None:
    app.nodes = (server.endpoint,)
    body = (
        b'{"errorCode": 110, "message": "The request requires user authentication", "cause": "x", "index": 4}'
    )
    server.answer = lambda connection: connection.sendall(answer(body, "401 Unauthorized"))
    assert failed(app) == both("110: The request requires user authentication (x) [4]")


def test_a_node_that_says_nothing_is_given_up_and_the_next_one_asked(app: Confd, etcd: Etcd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app.nodes = (f"127.0.0.1:{silent.getsockname()[1]}", etcd.endpoint)
        assert app.once().code == 0
    assert app.dest.exists()


def test_a_node_that_talks_nonsense_is_passed_over(app: Confd, etcd: Etcd, server: Server) -> None:
    server.answer = lambda connection: connection.sendall(answer(b"hello"))
    app.nodes = (server.endpoint, etcd.endpoint)
    assert app.once().code == 0


def test_a_log_that_nobody_reads_stops_nothing(app: Confd) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(app.command("-onetime"), stderr=writer, env=environment(), timeout=20)
    os.close(writer)
    assert ended.returncode == 0
    assert app.dest.exists()
