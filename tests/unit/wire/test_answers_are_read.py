"""HTTP answers as peers may send them, whole, in pieces, broken or late, over a real pair of sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from wire import Answer, BodyTimeout, Malformed, Request, exchange, lines

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def answered(pair: Pair, answer: bytes, *, end: bool = True) -> Answer:
    ours, theirs = pair
    theirs.sendall(answer)
    if end:
        theirs.shutdown(socket.SHUT_WR)
    return exchange(ours, Request("GET", "/"), time.monotonic() + 0.5)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (
            CHUNKED + b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
            b"hello!",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 200\nContent-Length: 0\n\n", b""),
    ],
)
def test_a_body_ends_where_the_answer_says(pair: Pair, answer: bytes, body: bytes) -> None:
    got = answered(pair, answer)
    assert (got.status, got.body) == (200, body)


def test_the_end_of_a_counted_body_is_not_waited_for(pair: Pair) -> None:
    assert answered(
        pair, b"HTTP/1.1 404 No\r\nX-Etcd-Index: 7\r\nContent-Length: 1\r\n\r\nx", end=False
    ) == Answer(404, {"x-etcd-index": "7", "content-length": "1"}, b"x")
    assert answered(pair, b"HTTP/1.1 204 Nothing\r\n\r\n", end=False).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 twohundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\n" + b"a" * 70000,
    ],
)
def test_a_broken_answer_is_malformed(pair: Pair, answer: bytes) -> None:
    with pytest.raises(Malformed):
        answered(pair, answer)


def test_a_head_that_does_not_come_and_a_body_that_does_not_are_told_apart(pair: Pair) -> None:
    with pytest.raises(TimeoutError) as caught:
        answered(pair, b"HTTP/1.1 200 OK\r\n", end=False)
    assert not isinstance(caught.value, BodyTimeout)
    with pytest.raises(BodyTimeout):
        answered(pair, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", end=False)


def test_lines_come_one_by_one_and_end_when_closed(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(CHUNKED + b"6\r\none\ntw\r\n")
    stream = lines(ours, Request("GET", "/events"), time.monotonic() + 1)
    got = iter(stream)
    assert next(got) == b"one"
    theirs.sendall(b"2\r\no\n\r\n")
    assert next(got) == b"two"
    threading.Timer(0.1, stream.close).start()
    with pytest.raises(Malformed):
        next(got)
