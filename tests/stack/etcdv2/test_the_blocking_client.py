"""The blocking client against a real etcd: reads, conditions, TTLs, watches that resume, absent endpoints."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from etcdv2.model import EVENT_INDEX_CLEARED, EtcdError, KeyExists, KeyNotFound, Unavailable
from etcdv2.sync import Client
from tests.stack.conftest import Etcd, free_ports, wait_for

TIME_OUT = 3.0  # seconds: more than a host stands still, as etcd itself has to answer within them, too


@dataclass
class Silent:
    """An endpoint that takes connections and never says a word."""

    server: socket.socket
    taken: list[socket.socket] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def asked(self) -> int:
        """How many connections there have been."""
        self.server.setblocking(False)
        try:
            while True:
                self.taken.append(self.server.accept()[0])
        except BlockingIOError:
            return len(self.taken)


@pytest.fixture
def client(etcd: Etcd) -> Client:
    return etcd.client()


@pytest.fixture
def silent() -> Iterator[Silent]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        made = Silent(server)
        yield made
        for connection in made.taken:
            connection.close()


def test_a_value_is_read_as_it_was_written(client: Client) -> None:
    written = client.set("/services/a b/ü", "10.1.0.101:80 & more")
    read = client.get("/services/a b/ü", quorum=True)
    assert read.node.value == "10.1.0.101:80 & more"
    assert read.node.modified == written.node.modified
    assert read.index >= read.node.modified


def test_a_missing_key_says_so(client: Client) -> None:
    with pytest.raises(KeyNotFound, match="/nowhere"):
        client.get("/nowhere")


def test_a_directory_is_listed_in_order(client: Client) -> None:
    for name in ("b", "c", "a"):
        client.set(f"/d/{name}", name)
    client.set("/d/e/f", "deep")
    flat = client.get("/d", sorted=True)
    deep = client.get("/d", recursive=True, sorted=True)
    assert [node.key for node in flat.node.nodes] == ["/d/a", "/d/b", "/d/c", "/d/e"]
    assert [node.value for node in deep.node.leaves()] == ["a", "b", "c", "deep"]


def test_create_refuses_a_key_that_is_there(client: Client) -> None:
    client.create("/once", "first")
    with pytest.raises(KeyExists):
        client.create("/once", "second")
    assert client.get("/once").node.value == "first"


def test_a_write_whose_condition_fails_changes_nothing(client: Client) -> None:
    index = client.set("/key", "one").node.modified
    with pytest.raises(EtcdError, match="101"):
        client.set("/key", "two", prev_value="other")
    with pytest.raises(EtcdError, match="101"):
        client.set("/key", "two", prev_index=index + 1)
    with pytest.raises(KeyNotFound):
        client.set("/absent", "two", prev_exist=True)
    assert client.get("/key").node.value == "one"
    assert client.set("/key", "two", prev_index=index).previous is not None


def test_delete_takes_conditions_and_whole_directories(client: Client) -> None:
    client.set("/d/a", "1")
    with pytest.raises(EtcdError, match="101"):
        client.delete("/d/a", prev_value="2")
    client.delete("/d/a", prev_value="1")
    client.delete("/d", directory=True)
    client.set("/d/a", "1")
    client.delete("/d", recursive=True)
    with pytest.raises(KeyNotFound):
        client.get("/d")


def test_make_directory_refuses_one_that_is_there(client: Client) -> None:
    assert client.make_directory("/d", ttl=60).node.ttl == 60
    with pytest.raises(KeyExists):
        client.make_directory("/d")


def test_a_ttl_ends_a_key_and_refresh_prolongs_it_without_waking_a_watcher(client: Client) -> None:
    index = client.set("/lease", "value", ttl=20).node.modified
    client.refresh("/lease", 60)
    assert 50 < (client.get("/lease").node.ttl or 0) <= 60
    assert client.watch("/lease", after_index=index, timeout=0.3) is None
    client.refresh("/lease", 1)
    wait_for(lambda: _absent(client, "/lease"), 10, "the key's end by its TTL")
    event = client.watch("/lease", after_index=index, timeout=5)
    assert event is not None
    assert event.action == "expire"


def test_refresh_of_a_key_that_is_gone_says_so(client: Client) -> None:
    with pytest.raises(KeyNotFound):
        client.refresh("/lease", 5)


def test_a_watch_resumes_and_misses_nothing(client: Client) -> None:
    index = client.set("/services/apache/x", "0").node.modified
    for number in range(1, 6):
        client.set(f"/services/apache/{number % 2}", str(number))
    client.set("/elsewhere", "noise")
    seen = []
    for _ in range(5):
        event = client.watch("/services", recursive=True, after_index=index, timeout=5)
        assert event is not None
        seen.append(event.node.value)
        index = event.node.modified
    assert seen == ["1", "2", "3", "4", "5"]
    assert client.watch("/services", recursive=True, after_index=index, timeout=0.3) is None


def test_a_watch_wakes_at_a_change(client: Client) -> None:
    index = client.set("/key", "old").node.modified
    threading.Timer(0.2, lambda: client.set("/key", "new")).start()
    started = time.monotonic()
    event = client.watch("/key", after_index=index, timeout=5)
    assert event is not None
    assert event.node.value == "new"
    assert time.monotonic() - started < 2


def test_a_watch_from_a_forgotten_index_says_so(client: Client) -> None:
    for number in range(1010):
        client.set("/busy", str(number))
    with pytest.raises(EtcdError) as caught:
        client.watch("/busy", after_index=1, timeout=1)
    assert caught.value.code == EVENT_INDEX_CLEARED
    assert caught.value.index >= 1010


def test_members_are_listed(etcd: Etcd) -> None:
    (member,) = etcd.client().members()
    assert member.name == "alone"
    assert member.client_urls == (etcd.endpoint,)


def test_a_refusing_endpoint_is_passed_over(etcd: Etcd) -> None:
    refusing = f"127.0.0.1:{free_ports(1)[0]}"
    client = Client([refusing, etcd.endpoint])
    client.create("/key", "1")
    assert client.get("/key").node.value == "1"
    assert client.health()


def test_a_silent_endpoint_costs_its_time_out_once(etcd: Etcd, silent: Silent) -> None:
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    index = client.set("/key", "1").node.modified
    assert client.get("/key").node.value == "1"
    assert client.watch("/key", after_index=index - 1, timeout=5) is not None
    assert silent.asked() == 1


def test_a_watch_leaves_a_silent_endpoint(etcd: Etcd, silent: Silent) -> None:
    index = etcd.client().set("/key", "1").node.modified
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    event = client.watch("/key", after_index=index - 1, timeout=30)
    assert event is not None
    assert event.node.value == "1"


def test_a_conditional_write_is_not_asked_twice(etcd: Etcd, silent: Silent) -> None:
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    with pytest.raises(Unavailable):
        client.create("/key", "1")
    assert silent.asked() == 1
    assert _absent(etcd.client(), "/key")


def test_no_endpoint_at_all_is_unavailable_and_in_time(silent: Silent) -> None:
    refusing = f"127.0.0.1:{free_ports(1)[0]}"
    client = Client([silent.endpoint, refusing], timeout=0.2)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=refusing):
        client.get("/key")
    with pytest.raises(Unavailable):
        client.members()
    with pytest.raises(Unavailable):
        client.watch("/", after_index=1, timeout=60)
    assert not client.health()
    assert time.monotonic() - started < 20


def test_an_answer_that_trickles_ends_at_the_deadline() -> None:
    stop = threading.Event()

    def trickle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            while not stop.wait(0.05):
                connection.send(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        started = time.monotonic()
        with pytest.raises(Unavailable):
            Client(f"127.0.0.1:{server.getsockname()[1]}", timeout=0.4).get("/key")
        taken = time.monotonic() - started
        stop.set()
        thread.join()
    assert taken < 2


def test_a_server_that_is_not_etcd_is_unavailable() -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        with pytest.raises(Unavailable, match="not JSON"):
            Client(f"127.0.0.1:{server.getsockname()[1]}").get("/key")
        thread.join()


def _absent(client: Client, key: str) -> bool:
    try:
        client.get(key)
    except KeyNotFound:
        return True
    return False


def test_a_refusal_is_an_answer_too(etcd: Etcd, silent: Silent) -> None:
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    with pytest.raises(KeyNotFound):
        client.get("/nowhere")
    client.set("/key", "one")
    assert silent.asked() == 1, "the endpoint that refused is asked first from then on"


def test_a_deletion_goes_on_where_a_write_with_a_condition_does_not(etcd: Etcd, silent: Silent) -> None:
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    etcd.client().set("/key", "one")
    with pytest.raises(Unavailable):
        client.set("/key", "two", prev_value="one")
    client.delete("/key", prev_value="one")
    with pytest.raises(KeyNotFound):
        client.get("/key")


def test_another_time_limit_keeps_what_is_known_of_the_endpoints(etcd: Etcd, silent: Silent) -> None:
    client = Client([silent.endpoint, etcd.endpoint], timeout=TIME_OUT)
    client.set("/key", "one")
    assert client.within(2 * TIME_OUT).get("/key").node.value == "one"
    assert silent.asked() == 1
