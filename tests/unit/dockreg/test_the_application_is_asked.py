"""What counts as an answer of the application, from servers on loopback that answer in all sorts of ways."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from dockreg.application import complaint

LIMIT = 0.3
Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives its first connection to a function; returns its port."""
    with ExitStack() as stack:

        def start(answer: Callable[[socket.socket], None]) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                connection, _ = listener.accept()
                stack.push(connection)
                try:
                    connection.recv(4096)
                    answer(connection)
                except OSError:
                    return

            threading.Thread(target=run, daemon=True).start()
            return int(listener.getsockname()[1])

        yield start


def says(text: str) -> Callable[[socket.socket], None]:
    """Answers with `text` and hangs up."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_RDWR)

    return answer


def drips(connection: socket.socket) -> None:
    """A byte now and then: never silent for long, never done."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        connection.sendall(b".")
        time.sleep(LIMIT / 5)


@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "302 Found", "401 Unauthorized", "404 Not Found"]
)
def test_an_answer_says_that_somebody_is_there(serve: Serve, status: str) -> None:
    assert complaint(serve(says(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")), LIMIT) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "it answers 500"),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "it answers 503"),
        ("", "the answer ended too early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "the connection ended 4 bytes too early"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "no HTTP answer"),
    ],
)
def test_an_error_or_half_an_answer_is_none(serve: Serve, text: str, said: str) -> None:
    assert complaint(serve(says(text)), LIMIT) == said


@pytest.mark.parametrize("answer", [lambda connection: None, drips], ids=["silent", "dripping"])
def test_the_limit_is_for_all_of_an_answer(serve: Serve, answer: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    assert complaint(serve(answer), LIMIT) == "no answer within 0.3 s"
    assert LIMIT <= time.monotonic() - started < LIMIT + 1


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in complaint(port, LIMIT)
