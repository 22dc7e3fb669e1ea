"""Asks the application, under one time limit for the whole of its answer."""

from __future__ import annotations

import socket
import time

from wire import http as wire

HOST = "127.0.0.1"


def complaint(port: int, limit: float) -> str:
    """Why the application on `port` of this container counts as gone; "" if it answers `GET /` in time.

    An answer is a whole one, within `limit` seconds from the first packet to the last byte. One of the 500s
    is an error; any other says that somebody is there, if only to refuse this page.
    """
    deadline = time.monotonic() + limit
    request = wire.Request("GET", "/", HOST, headers={"User-Agent": "dockreg"})
    try:
        with socket.create_connection((HOST, port), limit) as sock:
            answer = wire.exchange(sock, request, deadline)
    except TimeoutError:
        return f"no answer within {limit:g} s"
    except OSError as error:
        return str(error) or type(error).__name__
    return f"it answers {answer.status}" if answer.status >= 500 else ""
