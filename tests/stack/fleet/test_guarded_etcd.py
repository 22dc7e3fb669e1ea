"""An etcd that wants TLS with certificates of both sides, or an account: fleetd's options for it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.conftest import Etcd as Server
from tests.stack.conftest import etcd_command, free_ports, wait_for
from tests.stack.fleet.conftest import DAEMON, ROOT, Fleet

PASSWORD = "secret & long"
REFUSED = "Error 503: fleet server unable to communicate with etcd"


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and KEY.pem and KEY.key of the server and of one client that it signed."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    ca = str(folder / "ca")
    openssl(*new, "-x509", "-subj", "/CN=test CA", "-keyout", ca + ".key", "-out", ca + ".pem")
    for name in ("server", "client"):
        file = str(folder / name)
        openssl(*new[:-2], "-subj", f"/CN={name}", "-keyout", file + ".key", "-out", file + ".csr")
        extensions = folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl(
            *("x509", "-req", "-in", file + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key"),
            *("-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", file + ".pem"),
        )
    return folder


@pytest.fixture
def etcd_with_tls(certificates: Path, tmp_path: Path) -> Iterator[str]:
    """The endpoint of an etcd that takes nobody without a certificate of the CA's."""
    port, peer = free_ports(2)
    endpoint = f"https://127.0.0.1:{port}"
    with (tmp_path / "etcd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *etcd_command(),
                *("--enable-v2=true", "--data-dir", str(tmp_path / "data"), "--unsafe-no-fsync"),
                *("--listen-client-urls", endpoint, "--advertise-client-urls", endpoint),
                *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
                *("--client-cert-auth", f"--trusted-ca-file={certificates}/ca.pem"),
                *(f"--cert-file={certificates}/server.pem", f"--key-file={certificates}/server.key"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(
            lambda: b"ready to serve client requests" in (tmp_path / "etcd.log").read_bytes(), 15, "etcd"
        )
        yield endpoint
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def etcd_with_accounts(tmp_path: Path) -> Iterator[Server]:
    """An etcd whose guests may do nothing; its one account is root with PASSWORD."""
    port, peer = free_ports(2)
    (tmp_path / "etcd").mkdir()
    server = Server(etcd_command(), tmp_path / "etcd", port, peer)
    server.start()

    def ask(method: str, path: str, body: object = None) -> None:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{server.endpoint}/v2/auth/{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode())
        urllib.request.urlopen(request, timeout=5).close()

    try:
        ask("PUT", "users/root", {"user": "root", "password": PASSWORD})
        ask("PUT", "enable")
        ask("DELETE", "roles/guest")
        yield server
    finally:
        server.stop()


def cluster(folder: Path, endpoint: str, *flags: str) -> Iterator[Fleet]:
    (folder / "fleet.conf").write_text("")
    made = Fleet(folder, endpoint, flags={1: list(flags), 2: list(flags)})
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()


@pytest.fixture
def over_tls(etcd_with_tls: str, certificates: Path, tmp_path: Path) -> Iterator[Fleet]:
    mine = ("--etcd_certfile", f"{certificates}/client.pem", "--etcd_keyfile", f"{certificates}/client.key")
    yield from cluster(tmp_path, etcd_with_tls, "--etcd_cafile", f"{certificates}/ca.pem", *mine)


@pytest.fixture
def with_account(etcd_with_accounts: Server, tmp_path: Path) -> Iterator[Fleet]:
    # etcd takes a tenth of a second and more to check a password, at every request.
    account = ("--etcd_request_timeout", "5", "--etcd_username", "root", "--etcd_password", PASSWORD)
    yield from cluster(tmp_path, etcd_with_accounts.endpoint, *account)


def test_a_cluster_works_over_tls_with_certificates_of_both_sides(over_tls: Fleet) -> None:
    over_tls.up(1, 2)
    assert over_tls.ctl("start", over_tls.unit("a.service")).code == 0
    over_tls.eventually(lambda: over_tls.place("a.service", on=2), 20, "machine 2 sees it run")


def test_without_a_certificate_of_its_own_a_machine_stays_out_and_says_why(over_tls: Fleet) -> None:
    over_tls.flags[1] = over_tls.flags[1][:2]  # the CA alone
    over_tls.boot(1)
    over_tls.eventually(lambda: "Server register machine failed" in over_tls.log(1), 10, "said")
    assert "CERTIFICATE" in over_tls.log(1)  # required, or bad, by the version of TLS
    assert REFUSED in over_tls.ctl("list-units").err


def test_an_etcd_that_another_ca_vouches_for_is_not_trusted(over_tls: Fleet) -> None:
    over_tls.flags[1] = []  # the system's CAs
    over_tls.boot(1)
    over_tls.eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in over_tls.log(1), 10, "said")
    assert REFUSED in over_tls.ctl("list-units").err


@pytest.mark.parametrize("option", ["etcd_cafile", "etcd_certfile", "etcd_keyfile"])
def test_a_certificate_that_cannot_be_read_is_one_line(
    option: str, certificates: Path, tmp_path: Path
) -> None:
    names = {"etcd_cafile": "ca.pem", "etcd_certfile": "client.pem", "etcd_keyfile": "client.key"}
    flags = [word for key, name in names.items() for word in (f"--{key}", f"{certificates}/{name}")]
    flags[flags.index(f"--{option}") + 1] = f"{tmp_path}/nothing"
    (tmp_path / "id").write_text("1" * 32)
    done = subprocess.run(
        [sys.executable, str(DAEMON), str(tmp_path / "s"), str(tmp_path / "id"), *flags]
        + ["--etcd_servers", "https://127.0.0.1:1"],
        env={"PYTHONPATH": str(ROOT / "provision/stack")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert option in done.stderr
    assert "nothing" in done.stderr


def test_a_cluster_works_with_an_account(with_account: Fleet) -> None:
    with_account.up(1, 2)
    assert with_account.ctl("start", with_account.unit("a.service")).code == 0
    with_account.eventually(lambda: with_account.place("a.service", on=2), 20, "machine 2 sees it run")


def test_with_a_wrong_password_a_machine_stays_out_and_says_why(with_account: Fleet) -> None:
    with_account.flags[1][-1] = "wrong"
    with_account.boot(1)
    with_account.eventually(lambda: "Server register machine failed" in with_account.log(1), 10, "said")
    assert "credentials" in with_account.log(1)
    assert REFUSED in with_account.ctl("list-units").err
