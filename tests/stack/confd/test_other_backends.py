"""The environment and files as backends, and etcd behind a password and TLS."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stack.confd.conftest import Confd, Server
from tests.stack.conftest import Etcd, free_ports, wait_for


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Confd]:
    """A confd without etcd, and a resource that shows all pairs below /web."""
    made = Confd(tmp_path)
    made.template('{{range gets "/web/*"}}{{.Key}}={{.Value}};{{end}}')
    made.resource()
    yield made
    for daemon in made.running:
        daemon.process.kill()
        daemon.process.wait()


def test_the_environment(plain: Confd) -> None:
    result = plain.once("-backend", "env", WEB_PORT="80", WEB_HOST="a b", WEBSITE="no", OTHER="no")
    assert (result.code, plain.dest.read_text()) == (0, "/web/host=a b;/web/port=80;")
    assert "INFO Backend set to env" in result.log


def test_the_environment_never_changes(plain: Confd) -> None:
    daemon = plain.start("-backend", "env", "-watch", WEB_A="1")
    daemon.says("has been updated")
    assert daemon.stop() == 0


def test_json_files(plain: Confd, tmp_path: Path) -> None:
    values = {
        "web": {"s": "text", "i": 5, "f": 2.5, "b": True, "l": ["x", {"deep": "y"}], "n": None},
        "db": "no",
    }
    (tmp_path / "values.json").write_text(json.dumps(values))
    result = plain.once("-backend", "file", "-file", str(tmp_path / "values.json"))
    assert (result.code, plain.dest.read_text()) == (0, "/web/b=true;/web/f=2.5;/web/i=5;/web/s=text;")
    plain.template('{{getv "/web/l/0"}}{{getv "/web/l/1/deep"}}')
    plain.once("-backend", "file", "-file", str(tmp_path / "values.json"))
    assert plain.dest.read_text() == "xy"
    assert f"INFO Backend source(s) set to {tmp_path}/values.json" in result.log


def test_folders_of_files_and_a_filter(plain: Confd, tmp_path: Path) -> None:
    folder = tmp_path / "values" / "more"
    folder.mkdir(parents=True)
    (folder / "b.json").write_text('{"web": {"a": "later", "b": "2"}}')
    (folder / "a.json").write_text('{"web": {"a": "1"}}')
    (folder / "c.txt").write_text("{")
    result = plain.once("-backend", "file", "-file", str(tmp_path / "values"), "-filter", "*.json")
    assert (result.code, plain.dest.read_text()) == (0, "/web/a=later;/web/b=2;")


def test_a_file_is_followed(plain: Confd, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text('{"web": {"a": "1"}}')
    daemon = plain.start("-backend", "file", "-file", str(path), "-watch")
    daemon.says("has been updated")
    path.write_text('{"web": {"a": "22"}}')
    wait_for(lambda: plain.dest.read_text() == "/web/a=22;", 3, "the new value")
    path.write_text("{")
    daemon.says("ERROR ")
    path.write_text('{"web": {"a": "333"}}')
    wait_for(lambda: plain.dest.read_text() == "/web/a=333;", 5, "the new value")


def test_a_file_that_cannot_be_used_is_one_line(plain: Confd, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    for text, said in (("[" * 9000, "values.json: "), ("{", "values.json: ")):
        path.write_text(text)
        result = plain.once("-backend", "file", "-file", str(path))
        assert result.code == 1
        assert said in result.said[0]
        assert len(result.said) == 2
    path.unlink()
    result = plain.once("-backend", "file", "-file", str(path))
    assert result.said[0] == f"ERROR stat {path}: no such file or directory"


def test_yaml_where_its_reader_is_installed_and_one_line_where_not(plain: Confd, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("web:\n  a: text\n  b: 1\n  c: true\n")
    spec = importlib.util.find_spec("yaml")
    assert spec is not None
    assert spec.origin is not None
    bare = plain.once("-backend", "file", "-file", str(path))
    assert bare.said[0] == (
        f"ERROR {path}: reading YAML needs PyYAML (apt-get install python3-yaml); .json does not"
    )
    result = plain.once(
        "-backend",
        "file",
        "-file",
        str(path),
        PYTHONPATH=f"{Path(__file__).parents[3]}/provision/stack:{Path(spec.origin).parents[1]}",
    )
    assert (result.code, plain.dest.read_text()) == (0, "/web/a=text;/web/b=1;/web/c=true;")


@pytest.fixture
def secure(etcd: Etcd, tmp_path: Path) -> Iterator[tuple[Etcd, Path]]:
    """An etcd behind TLS that wants a client's certificate, and the folder with ca, cert and key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate(folder)
    port, peer_port = free_ports(2)
    server = replace(etcd, folder=folder, port=port, peer_port=peer_port, process=None)
    files = [f"--{name}={folder}/{file}.pem" for name, file in (("cert-file", "cert"), ("key-file", "key"))]
    peer = f"http://127.0.0.1:{peer_port}"
    process = subprocess.Popen(
        [
            *(
                *server.command,
                "--name=alone",
                "--enable-v2=true",
                "--unsafe-no-fsync",
                "--data-dir",
                f"{folder}/data",
            ),
            *(*files, f"--trusted-ca-file={folder}/cert.pem", "--client-cert-auth"),
            *(
                f"--listen-client-urls=https://127.0.0.1:{port}",
                f"--advertise-client-urls=https://127.0.0.1:{port}",
            ),
            *(
                "--listen-peer-urls",
                peer,
                "--initial-advertise-peer-urls",
                peer,
                "--initial-cluster",
                f"alone={peer}",
            ),
        ],
        stderr=(folder / "etcd.log").open("wb"),
    )
    try:
        wait_for(lambda: b"ready to serve" in (folder / "etcd.log").read_bytes(), 15, "etcd behind TLS")
        yield server, folder
    finally:
        process.kill()
        process.wait()


def certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority."""
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=lab", "-days", "1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )


def test_etcd_behind_tls_with_certificates(secure: tuple[Etcd, Path], tmp_path: Path) -> None:
    server, folder = secure
    confd = Confd(tmp_path, (f"https://127.0.0.1:{server.port}",))
    confd.template('{{exists "/none"}}')
    confd.resource(keys=["/"])
    shown = ("-client-cert", f"{folder}/cert.pem", "-client-key", f"{folder}/key.pem")
    result = confd.once("-client-ca-keys", f"{folder}/cert.pem", *shown)
    assert (result.code, confd.dest.read_text()) == (0, "false"), result.log
    by_environment = confd.once(
        "-client-ca-keys",
        f"{folder}/cert.pem",
        CONFD_CLIENT_CERT=f"{folder}/cert.pem",
        CONFD_CLIENT_KEY=f"{folder}/key.pem",
    )
    assert by_environment.code == 0
    assert confd.once("-client-insecure", *shown).code == 0
    refused = confd.once(*shown)
    assert refused.code == 1
    assert "; error #0: x509: self-signed certificate" in refused.said[0]
    nobody = confd.once("-client-ca-keys", f"{folder}/cert.pem")
    assert nobody.code == 1
    assert "certificate" in nobody.said[0].partition("error #0: tls: ")[2]


def test_a_password_is_sent_with_basic_auth_only(app: Confd, server: Server) -> None:
    app.nodes = (server.endpoint,)
    given = ("-username", "me", "-password", "secret")
    app.once(*given)
    app.once("-basic-auth", *given)
    without, with_it = server.requests
    assert b"Authorization" not in without
    assert b"\r\nAuthorization: Basic bWU6c2VjcmV0\r\n" in with_it
