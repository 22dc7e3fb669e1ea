"""confd as a process with a confdir of its own: what it wrote, said and ended with."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Etcd, wait_for

STACK = Path(__file__).resolve().parents[3] / "provision" / "stack"
COMMAND = [sys.executable, "-S", "-m", "confd"]
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d) \S+ confd\[\d+\]: ([A-Z]+ .*)")
STARTUP = ("INFO Backend set to ", "INFO Starting confd", "INFO Backend source(s) set to ")


def messages(text: str) -> list[str]:
    """`LEVEL message` of each line but those of every start; a line in another form fails the test."""
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [match[1] for match in found if match and not match[1].startswith(STARTUP)]


@dataclass(frozen=True)
class Result:
    """How a confd ended."""

    code: int
    log: str
    out: str

    @property
    def said(self) -> list[str]:
        return messages(self.log)


@dataclass
class Daemon:
    """A confd that runs on."""

    process: subprocess.Popen[bytes]
    path: Path

    @property
    def said(self) -> list[str]:
        text = self.path.read_text()
        return messages(text[: text.rfind("\n") + 1])

    def says(self, text: str, times: int = 1, within: float = 8.0) -> None:
        """Wait until that many messages hold the text."""
        wait_for(
            lambda: sum(text in each for each in self.said) >= times,
            within,
            f"{text!r} in {self.path.read_text()}",
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(5)


@dataclass
class Confd:
    """A confdir, the folder its files go to, and ways to run confd on it."""

    folder: Path
    nodes: tuple[str, ...] = ()
    running: list[Daemon] = field(default_factory=list)

    @property
    def dest(self) -> Path:
        """Where `resource` writes unless told otherwise."""
        return self.folder / "out" / "app.conf"

    @property
    def confdir(self) -> Path:
        return self.folder / "confd"

    def template(self, text: str, name: str = "app.tmpl") -> None:
        path = self.confdir / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    def resource(self, name: str = "app", **keys: Any) -> Path:
        """A template resource; JSON's strings, numbers and lists of them are TOML's, too."""
        self.dest.parent.mkdir(exist_ok=True)
        table = {"src": f"{name}.tmpl", "dest": str(self.dest), "keys": ["/web"], **keys}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
        return self.file(f"conf.d/{name}.toml", "[template]\n" + "\n".join(lines) + "\n")

    def file(self, name: str, text: str) -> Path:
        path = self.confdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *flags: str) -> list[str]:
        nodes = [word for node in self.nodes for word in ("-node", node)]
        return [*COMMAND, "-confdir", str(self.confdir), *nodes, *flags]

    def once(self, *flags: str, **variables: str) -> Result:
        """`confd -onetime`."""
        return self.run("-onetime", *flags, **variables)

    def run(self, *flags: str, **variables: str) -> Result:
        ended = subprocess.run(
            self.command(*flags), env=environment(variables), capture_output=True, text=True, timeout=30
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Result(ended.returncode, ended.stderr, ended.stdout)

    def start(self, *flags: str, **variables: str) -> Daemon:
        path = self.folder / f"log-{len(self.running)}"
        with path.open("wb") as log:
            process = subprocess.Popen(self.command(*flags), env=environment(variables), stderr=log)
        self.running.append(Daemon(process, path))
        return self.running[-1]

    def staged(self) -> list[str]:
        """What was left beside the destination."""
        return sorted(each.name for each in self.dest.parent.iterdir() if each.name.startswith("."))


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """What confd is run with."""
    more = more or {}
    return {**os.environ, "PYTHONPATH": str(STACK), **more}


@pytest.fixture
def confd(tmp_path: Path, etcd: Etcd) -> Iterator[Confd]:
    """A confd that reads the test's etcd, with nothing in its confdir yet."""
    made = Confd(tmp_path, (etcd.endpoint,))
    made.confdir.mkdir()
    yield made
    for daemon in made.running:
        daemon.process.kill()
        daemon.process.wait()


@pytest.fixture
def app(confd: Confd, etcd: Etcd) -> Confd:
    """One resource that lists the values below /web, of which there is one."""
    confd.template('{{range getvs "/web/*"}}server {{.}};\n{{end}}')
    confd.resource()
    etcd.client().set("/web/a", "10.1.0.101:80")
    return confd


Answer = Callable[[socket.socket], None]


@dataclass
class Server:
    """A TCP server that gives every connection the answer of the moment."""

    port: int
    answer: Answer
    requests: list[bytes] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        made = Server(int(listener.getsockname()[1]), lambda connection: None)
        threading.Thread(target=_serve, args=(listener, made), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, server: Server) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                server.requests.append(connection.recv(65536))
                server.answer(connection)
            except OSError:
                continue
