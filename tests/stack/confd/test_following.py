"""`confd -watch`: changes within 200 ms, none of them missed, etcd away and back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.stack.confd.conftest import Confd, Daemon, Server
from tests.stack.conftest import Etcd, wait_for

HISTORY = 1000  # events that etcd keeps


def follow(confd: Confd, *flags: str) -> Daemon:
    daemon = confd.start("-watch", *flags)
    daemon.says("has been updated")
    return daemon


def becomes(confd: Confd, text: str, within: float = 20.0) -> None:
    wait_for(lambda: confd.dest.read_text() == text, within, f"{text!r}, not {confd.dest.read_text()!r}")


def test_a_change_is_followed_within_200_ms(app: Confd, etcd: Etcd) -> None:
    follow(app)
    client = etcd.client()
    late = []
    for number in range(20):
        client.set("/web/a", str(number))
        answered = time.monotonic()
        while app.dest.read_text() != f"server {number};\n":
            assert time.monotonic() - answered < 5
            time.sleep(0.001)
        late.append(time.monotonic() - answered)
    # The host may be busy with other tests, so this judges the usual one; `confd-bench`, alone, the slowest.
    assert statistics.median(late) < 0.2, late


def test_a_burst_ends_with_the_last_value(app: Confd, etcd: Etcd) -> None:
    follow(app)
    for number in range(50):
        etcd.client().set("/web/a", str(number))
    becomes(app, "server 49;\n")


def test_other_keys_cause_nothing(app: Confd, etcd: Etcd) -> None:
    daemon = follow(app, "-log-level=debug")
    reads = sum("Retrieving" in each for each in daemon.said)
    for number in range(20):
        etcd.client().set("/db/a", str(number))
    etcd.client().set("/web/a", "x")
    becomes(app, "server x;\n")
    daemon.says("has been updated", times=2)
    assert sum("Retrieving" in each for each in daemon.said) == reads + 1


@contextmanager
def held_up(confd: Confd, etcd: Etcd) -> Iterator[Daemon]:
    """A confd that has seen one change, and is held up in its reload until the block ends."""
    hold, reloading = confd.folder / "hold", confd.folder / "reloading"
    confd.resource(reload_cmd=f"touch {reloading}; while [ -e {hold} ]; do sleep 0.02; done")
    daemon = follow(confd)
    hold.touch()
    reloading.unlink()
    etcd.client().set("/web/a", "1")
    wait_for(reloading.exists, 5, "the reload")
    yield daemon
    hold.unlink()


def test_what_changes_during_a_reload_is_not_missed(app: Confd, etcd: Etcd) -> None:
    """The original watches from the moment it asks, and so forgets what happened before."""
    with held_up(app, etcd) as daemon:
        etcd.client().set("/web/a", "2")
    becomes(app, "server 2;\n")
    daemon.says("has been updated", times=3)


def test_more_changes_during_a_reload_than_etcd_remembers(app: Confd, etcd: Etcd) -> None:
    with held_up(app, etcd) as daemon:
        client = etcd.client()
        client.set("/web/a", "2")
        for number in range(HISTORY + 50):
            client.set("/noise", str(number))
    becomes(app, "server 2;\n")
    assert not any("ERROR" in each for each in daemon.said)


def test_deleted_and_expired_keys_go(app: Confd, etcd: Etcd) -> None:
    client = etcd.client()
    client.set("/web/b", "b")
    follow(app)
    client.delete("/web/a")
    becomes(app, "server b;\n")
    client.set("/web/c", "c")
    becomes(app, "server b;\nserver c;\n")
    client.set("/web/c", "c", ttl=1)
    becomes(app, "server b;\n")


def test_a_folder_above_the_keys_that_goes_is_noticed(confd: Confd, etcd: Etcd) -> None:
    etcd.client().set("/services/web/a", "1")
    confd.template('{{range gets "/services/web/*"}}{{.Value}}{{end}}')
    confd.resource(keys=["/services/web"])
    daemon = follow(confd)
    etcd.client().delete("/services", recursive=True)
    daemon.says("ERROR 100: Key not found (/services")
    assert confd.dest.read_text() == "1"
    etcd.client().set("/services/web/b", "2")
    becomes(confd, "2")


def test_keys_far_apart_are_followed_and_a_prefix_too(confd: Confd, etcd: Etcd) -> None:
    client = etcd.client()
    for key in ("/p/web/a", "/p/db/x"):
        client.set(key, "1")
    confd.template('{{getv "/web/a"}}{{getv "/db/x"}}')
    confd.resource(keys=["/web/a", "/db"], prefix="/p")
    follow(confd)
    client.set("/p/db/x", "2")
    becomes(confd, "12")
    client.set("/p/web/a", "3")
    becomes(confd, "32")


def test_a_key_that_comes_later(confd: Confd, etcd: Etcd) -> None:
    confd.template('{{getv "/later/a"}}')
    confd.resource(keys=["/later"])
    daemon = confd.start("-watch")
    daemon.says("ERROR 100: Key not found (/later)")
    etcd.client().set("/later/a", "here")
    daemon.says("has been updated")
    assert confd.dest.read_text() == "here"


def test_etcd_away_and_back(app: Confd, etcd: Etcd) -> None:
    daemon = follow(app)
    before = app.dest.stat()
    etcd.stop()
    daemon.says("client: etcd cluster is unavailable or misconfigured", times=2)
    assert app.dest.stat() == before
    etcd.start()
    etcd.client().set("/web/a", "back")
    becomes(app, "server back;\n")


def test_an_etcd_that_tells_nothing_new_is_asked_with_pauses(app: Confd, server: Server) -> None:
    body = b'{"action": "get", "node": {"key": "/web", "dir": true, "modifiedIndex": 7}}'
    head = b"HTTP/1.1 200 OK\r\nX-Etcd-Index: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.answer = lambda connection: connection.sendall(head + body)
    app.nodes = (server.endpoint,)
    daemon = app.start("-watch")
    daemon.says("ERROR client: response is invalid json", times=2)
    assert len(server.requests) <= 6


def test_a_node_that_dies_is_left_for_another(app: Confd, etcd: Etcd) -> None:
    app.nodes = ("127.0.0.1:9", etcd.endpoint)
    follow(app)
    etcd.client().set("/web/a", "x")
    becomes(app, "server x;\n")


def test_several_resources_follow_each_its_own_keys(app: Confd, etcd: Etcd) -> None:
    second = app.dest.parent / "second"
    app.template('{{getv "/db/a"}}', "second.tmpl")
    app.resource("second", dest=str(second), keys=["/db"])
    etcd.client().set("/db/a", "1")
    daemon = app.start("-watch")
    daemon.says("has been updated", times=2)
    etcd.client().set("/db/a", "2")
    wait_for(lambda: second.read_text() == "2", 5, "the second file")
    assert sum(str(app.dest) in each for each in daemon.said) == 2


def test_resources_are_read_only_at_the_start(app: Confd, etcd: Etcd) -> None:
    daemon = follow(app)
    app.file("conf.d/bad.toml", "[")
    etcd.client().set("/web/a", "x")
    becomes(app, "server x;\n")
    assert daemon.process.poll() is None


@pytest.mark.parametrize("resource", ["[", ""])
def test_a_bad_resource_ends_the_watch_at_the_start(app: Confd, resource: str) -> None:
    app.file("conf.d/bad.toml", resource)
    daemon = app.start("-watch")
    assert daemon.process.wait(8) == 1
    assert daemon.said[-1].startswith("FATAL ")


def test_without_resources_the_watch_is_over(app: Confd) -> None:
    (app.confdir / "conf.d/app.toml").unlink()
    result = app.run("-watch")
    assert (result.code, result.said) == (0, ["WARNING Found no templates"])


def test_the_watch_of_the_client_resumes_where_it_was(etcd: Etcd) -> None:
    client = etcd.client()
    index = client.set("/web/a", "1").node.modified
    client.set("/web/b", "2")
    event = client.watch("/web", recursive=True, after_index=index, timeout=1)
    assert event is not None
    assert event.node.key == "/web/b"
