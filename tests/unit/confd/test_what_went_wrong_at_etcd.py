"""The original's words for every way in which etcd can fail to answer, and which events concern a key."""

from __future__ import annotations

import errno
import socket

import pytest

from confd.backend_etcd import concerns, etcd_error, unavailable
from etcdv2.model import EtcdError, Event, Node, NoLeader, NotEtcd, Unavailable
from etcdv2.sync import NotSent
from wire.http import Malformed

HERE = "http://127.0.0.1:9"


def not_sent(cause: OSError) -> NotSent:
    error = NotSent(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (not_sent(OSError(errno.ECONNREFUSED, "")), "dial tcp 127.0.0.1:9: connect: connection refused"),
        (not_sent(OSError(errno.EHOSTUNREACH, "")), "dial tcp 127.0.0.1:9: connect: no route to host"),
        (not_sent(TimeoutError("timed out")), "dial tcp 127.0.0.1:9: i/o timeout"),
        (not_sent(socket.gaierror(-2, "")), "dial tcp: lookup 127.0.0.1: no such host"),
        (TimeoutError("deadline passed"), "client: endpoint http://127.0.0.1:9 exceeded header timeout"),
        (ConnectionResetError(errno.ECONNRESET, ""), "read tcp 127.0.0.1:9: connection reset by peer"),
        (Malformed("no HTTP answer"), "read tcp 127.0.0.1:9: no HTTP answer"),
        (NoLeader("HTTP 503"), "client: etcd member http://127.0.0.1:9 has no leader"),
    ],
)
def test_each_failure_of_an_endpoint_has_its_words(error: Exception, text: str) -> None:
    said = unavailable(Unavailable("", ((HERE, error),)))
    assert said == f"client: etcd cluster is unavailable or misconfigured; error #0: {text}"


def test_failures_of_several_endpoints_are_numbered() -> None:
    refused = not_sent(OSError(errno.ECONNREFUSED, ""))
    said = unavailable(Unavailable("", ((HERE, refused), ("http://b:2", NotEtcd("")))))
    assert said.endswith("; error #1: client: etcd member http://b:2 gave no answer of etcd's")


def test_nonsense_is_told_from_absence() -> None:
    said = unavailable(Unavailable("", ((HERE, NotEtcd("HTTP 200 ...")),)))
    assert said.startswith("client: response is invalid json. The endpoint is probably not valid")


def test_what_etcd_says_itself() -> None:
    assert (
        etcd_error(EtcdError(100, "Key not found", "/nothere", 101)) == "100: Key not found (/nothere) [101]"
    )


@pytest.mark.parametrize(
    ("changed", "key", "matters"),
    [
        ("/web/a", "/web", True),
        ("/web", "/web", True),
        ("/website", "/web", True),
        ("/db/a", "/web", False),
        ("/services", "/services/web", True),
        ("/serv", "/services/web", False),
        ("/", "/web", True),
    ],
)
def test_an_event_concerns_what_begins_like_it_and_what_lies_in_it(
    changed: str, key: str, matters: bool
) -> None:
    assert concerns(Event("set", Node(changed)), [key]) is matters
