"""Asks the Docker daemon over its Unix socket, a deadline on each question."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote, urlencode

from dockerapi.model import Container
from wire import http as wire

DEFAULT_SOCKET = "/var/run/docker.sock"
DEFAULT_TIMEOUT = 2.0


class DockerUnavailable(Exception):
    """The daemon gave no usable answer: no socket, refused, timed out, or an error of its own."""


class NoSuchContainer(Exception):
    """The daemon answered, and has no container of that name."""


class Events:
    """A stream of events: one action name (start, die, ...) each; `close` from another thread ends it."""

    def __init__(self, sock: socket.socket, stream: wire.Lines) -> None:
        self._sock = sock
        self._stream = stream

    def __iter__(self) -> Iterator[str]:
        try:
            for line in self._stream:
                yield str(json.loads(line).get("Action", ""))
        except (OSError, ValueError, AttributeError) as error:
            raise DockerUnavailable(f"the stream of events broke: {error}") from error
        finally:
            self._sock.close()

    def close(self) -> None:
        """End the stream."""
        self._stream.close()


class Docker:
    """A Docker daemon; `timeout` bounds each call."""

    def __init__(self, path: str = DEFAULT_SOCKET, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def container(self, name: str) -> Container:
        """The container called `name` (or with that id) as it is now."""
        request = wire.Request("GET", f"/containers/{quote(name, safe='')}/json")
        deadline = time.monotonic() + self._timeout
        try:
            with self._connect() as sock:
                answer = wire.exchange(sock, request, deadline)
        except OSError as error:
            raise self._unavailable(error) from error
        if answer.status == 404:
            raise NoSuchContainer(f"no container {name}")
        if answer.status != 200:
            raise DockerUnavailable(_complaint(answer.status, answer.body))
        try:
            return Container.parse(json.loads(answer.body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DockerUnavailable(f"{self._path}: no description of a container: {error}") from error

    def events(self, container: str, actions: Sequence[str]) -> Events:
        """What happens to `container` from now on: those of the given actions."""
        filters = json.dumps({"type": ["container"], "container": [container], "event": list(actions)})
        request = wire.Request("GET", "/events?" + urlencode({"filters": filters}))
        deadline = time.monotonic() + self._timeout
        sock = self._connect()
        try:
            stream = wire.lines(sock, request, deadline)
            if stream.status != 200:
                raise DockerUnavailable(_complaint(stream.status, stream.rest(deadline)))
        except OSError as error:
            sock.close()
            raise self._unavailable(error) from error
        except DockerUnavailable:
            sock.close()
            raise
        return Events(sock, stream)

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self._timeout)
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise self._unavailable(error) from error
        return sock

    def _unavailable(self, error: Exception) -> DockerUnavailable:
        return DockerUnavailable(f"{self._path}: {str(error) or type(error).__name__}")


def _complaint(status: int, body: bytes) -> str:
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace").strip()
    return f"Docker answered {status}: {message}"
