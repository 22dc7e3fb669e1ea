"""docker-register CONTAINER PORT KEY keeps the published address of a container's port in etcd."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from ambassador.link import endpoints, service_key
from dockerapi import Docker, DockerUnavailable, NoSuchContainer, NotPublished
from etcdv2.model import EtcdError, Unavailable
from etcdv2.sync import Client
from program import News, Usage, log, parse_port, run
from registrar import KeptKey

# A machine that is lost takes no more than this to leave etcd; four refreshes in it, so that an election of
# etcd's leader, or a machine under load, does not cost the registration.
DEFAULT_TTL = 20
REFRESHES = 4
RETRY = 0.5  # seconds between two attempts while Docker or etcd is away
HELP = f"""
Usage: docker-register CONTAINER PORT KEY

Finds the address of this machine that CONTAINER's PORT/tcp is published on, and writes it as ADDRESS:PORT to
/services/KEY/CONTAINER in etcd, with a TTL that it keeps prolonging. A container that comes back with another
port is written anew at once, one that stops is removed at once, as it is when this program ends (SIGTERM).
While Docker does not answer, the key is left to its TTL; while etcd is away, it is tried again and again.

The registrar of another machine that keeps the same key alive is left alone.

Environment:
  ETCD_PORT_10000_TCP_ADDR, ETCD_PORT_10000_TCP_PORT
                       where etcd is: Docker's link under the alias etcd sets them
  DOCKER_REGISTER_TTL  seconds that the key outlives its last sign of life (default {DEFAULT_TTL})
  HOST_IP              address to register instead of the published one, for a port published on all addresses
  DOCKER_SOCKET        Docker's socket (default /var/run/docker.sock)
"""


class Register:
    """Compares what Docker says with what was written, and mends the difference."""

    def __init__(self, docker: Docker, container: str, port: int, key: KeptKey, host: str = "") -> None:
        self._docker = docker
        self._container = container
        self._port = port
        self._key = key
        self._host = host
        self._changed = threading.Event()
        self._pause = threading.Event()
        self._news = News()

    def serve(self) -> None:
        """Look at once, whenever Docker tells of a change, and in time for the TTL; until an exception."""
        threading.Thread(target=self._listen, daemon=True, name="events").start()
        while True:
            self._changed.clear()
            self._changed.wait(self.look())

    def look(self) -> float:
        """Make the key true once; returns how long that is good for, in seconds."""
        try:
            value = self._published()
            if not value:
                self._key.remove()
            elif (held := self._key.keep(value)) == value:
                self._news.say(f"{self._key.key} = {value}, for {self._key.ttl} s at a time")
            else:
                self._news.say(f"{self._key.key} is another registrar's, {held}: {value} is not written")
        except DockerUnavailable as error:
            self._news.say(f"Docker is away, {self._key.key} is left to its TTL: {error}")
            return RETRY
        except (Unavailable, EtcdError) as error:
            self._news.say(f"{self._key.key} is not written: {error}")
            return RETRY
        return self._key.ttl / REFRESHES

    def _published(self) -> str:
        """What the key should hold; empty if there is nothing to register."""
        try:
            container = self._docker.container(self._container)
            if container.running:
                return str(container.published(self._port, self._host))
            self._news.say(f"{self._container} is not running: {self._key.key} is not there")
        except (NoSuchContainer, NotPublished) as error:
            self._news.say(f"{error}: {self._key.key} is not there")
        return ""

    def _listen(self) -> None:
        """Wake the other thread at each event, and whenever some may have been missed."""
        while True:
            try:
                events = self._docker.events(self._container, ["start", "die", "rename", "destroy"])
                self._changed.set()
                for _ in events:
                    self._changed.set()
            except DockerUnavailable:
                self._changed.set()
            self._pause.wait(RETRY)


def main(arguments: list[str]) -> None:
    """Register until a signal, then take the registration back."""
    if len(arguments) != 3:
        raise Usage(f"three arguments wanted, CONTAINER, PORT and KEY, not {len(arguments)}")
    name = arguments[0].lstrip("/")
    if not name or "/" in name:
        raise Usage(f"not a container: {arguments[0]!r}")
    try:
        port = parse_port(arguments[1])
    except ValueError as error:
        raise Usage(str(error)) from None
    key = f"{service_key(arguments[2])}/{name}"
    ttl = _ttl(os.environ)
    where = endpoints(os.environ, Path("/etc/hosts").read_text(errors="replace"))
    docker = Docker(os.environ.get("DOCKER_SOCKET", "/var/run/docker.sock"))
    kept = KeptKey(Client(where), key, ttl)
    log(f"registering {name}'s port {port} as {key}")
    try:
        Register(docker, name, port, kept, os.environ.get("HOST_IP", "")).serve()
    finally:
        kept.take_back()


def _ttl(environment: Mapping[str, str]) -> int:
    text = environment.get("DOCKER_REGISTER_TTL", str(DEFAULT_TTL))
    if not (text.isascii() and text.isdigit() and int(text) >= 2):
        raise Usage(f"DOCKER_REGISTER_TTL: seconds wanted, at least 2, not {text!r}")
    return int(text)


if __name__ == "__main__":
    run("docker-register", HELP, main)
