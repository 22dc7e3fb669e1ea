"""The configuration file, the environment and the flags: who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from confd import flags, resolver, settings
from confd.backend import nodes_from_srv
from confd.log import Log
from confd.problem import Fatal
from confd.settings import Settings


def load(path: Path, text: str, *words: str, **environment: str) -> tuple[Settings, list[str]]:
    path.write_text(text)
    return settings.load(flags.parse([*words, "-config-file", str(path)]), environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "confd.toml"


def test_the_file_wins_over_the_flags(file: Path) -> None:
    text = 'interval = 5\nnodes = ["http://f:1"]\nwatch = false\nlog-level = "debug"\nsync-only = true\n'
    loaded, warnings = load(file, text, "-interval=9", "-node", "a", "-node", "b", "-watch", "-prefix", "/p")
    assert (loaded.interval, loaded.node, loaded.watch) == (5, ("http://f:1",), False)
    assert (loaded.log_level, loaded.sync_only, loaded.prefix) == ("debug", True, "/p")
    assert warnings == []


def test_every_key_of_the_file_is_taken(file: Path) -> None:
    text = """
        backend = "file"
        basic_auth = true
        client_cakeys = "ca"
        client_cert = "cert"
        client_insecure = true
        client_key = "key"
        confdir = "/c"
        file = ["a.json"]
        filter = "*.json"
        noop = true
        password = "secret"
        prefix = "/p"
        scheme = "https"
        srv_domain = "example.com"
        srv_record = "_x._tcp.example.com"
        username = "me"
    """
    assert load(file, text)[0] == Settings(
        backend="file",
        basic_auth=True,
        client_ca_keys="ca",
        client_cert="cert",
        client_insecure=True,
        client_key="key",
        confdir="/c",
        file=("a.json",),
        filter="*.json",
        noop=True,
        password="secret",
        prefix="/p",
        scheme="https",
        srv_domain="example.com",
        srv_record="_x._tcp.example.com",
        username="me",
    )


def test_the_environment_fills_only_what_is_empty(file: Path) -> None:
    given = {"CONFD_CLIENT_CERT": "e", "CONFD_CLIENT_KEY": "k", "CONFD_CLIENT_CAKEYS": "c"}
    loaded, _ = load(file, 'client_cert = "f"', "-client-key", "flag", **given)
    assert (loaded.client_cert, loaded.client_key, loaded.client_ca_keys) == ("f", "flag", "c")


def test_a_template_resource_as_the_configuration_file_says_nothing(file: Path) -> None:
    loaded, warnings = load(file, '[template]\nsrc = "a"\nprefix = "/x"\n', "-onetime")
    assert (loaded, warnings) == (Settings(onetime=True), [])


def test_an_unknown_key_is_a_warning(file: Path) -> None:
    _, warnings = load(file, 'frob = 1\nNoop = true\n[other]\nx = "y"\n')
    assert warnings == [f'Unknown key "{name}" in {file}: ignored' for name in ("frob", "other")]


def test_a_file_that_is_absent_is_skipped(tmp_path: Path) -> None:
    loaded, _ = settings.load(flags.parse(["-config-file", str(tmp_path / "none")]), {})
    assert loaded == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval = ", "confd.toml: Invalid value"),
        ('interval = "5"', r"type string into a Go integer \(key interval\)"),
        ("nodes = 5", r"type int64 into a Go slice \(key nodes\)"),
        ("nodes = [1]", r"type int64 into a Go string \(key nodes\)"),
        ("watch = 1", r"type int64 into a Go boolean \(key watch\)"),
        ("prefix = 2020-01-01", r"type time.Time into a Go string"),
        ("prefix = {}", r"type map\[string\]interface {} into a Go string"),
    ],
)
def test_a_mistake_in_the_file_ends_the_program(file: Path, text: str, message: str) -> None:
    with pytest.raises(Fatal, match=message):
        load(file, text)


def test_a_file_that_cannot_be_read_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"^read .*: is a directory$"):
        settings.load(flags.parse(["-config-file", str(tmp_path)]), {})
    (tmp_path / "latin").write_bytes(b'prefix = "\xe9"')
    with pytest.raises(Fatal, match="latin: not UTF-8"):
        settings.load(flags.parse(["-config-file", str(tmp_path / "latin")]), {})


def test_where_the_nodes_come_from() -> None:
    assert settings.nodes(Settings(), {}) == ("http://127.0.0.1:4001",)
    assert settings.nodes(Settings(), {"ETCDCTL_PEERS": "http://a:1,http://b:2"}) == (
        "http://a:1",
        "http://b:2",
    )
    assert settings.nodes(Settings(node=("x",)), {"ETCDCTL_PEERS": "a"}) == ("x",)
    assert settings.nodes(Settings(backend="env"), {"ETCDCTL_PEERS": "a"}) == ()


def test_a_domain_stands_for_its_record(file: Path) -> None:
    assert load(file, "", "-srv-domain", "example.com")[0].srv_record == "_etcd._tcp.example.com."
    both = load(file, "", "-srv-domain", "example.com", "-srv-record", "r")[0]
    assert both.srv_record == "r"


def test_nodes_of_an_srv_record_get_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [resolver.Service("a.lab.", 2379, 10, 0), resolver.Service("b.lab.", 4001, 20, 0)]
    monkeypatch.setattr(resolver, "services", lambda name: found if name == "_etcd._tcp.lab." else [])
    given = Settings(scheme="https", srv_record="_etcd._tcp.lab.")
    assert nodes_from_srv(given, Log("panic")) == ("https://a.lab:2379", "https://b.lab:4001")


def test_an_srv_record_that_is_not_there_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> list[resolver.Service]:
        raise resolver.NoAnswer(f"lookup {name}: no such host")

    monkeypatch.setattr(resolver, "services", nothing)
    with pytest.raises(Fatal, match=r"^Cannot get nodes from SRV records lookup x\.: no such host$"):
        nodes_from_srv(Settings(srv_record="x."), Log("panic"))
