"""dynamic-etcd-amb KEY PORT forwards PORT to whichever provider is registered under /services/KEY."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from ambassador.address import Address
from ambassador.forwarder import ANYWHERE, Forwarder
from ambassador.link import endpoints, service_key
from ambassador.providers import Providers
from etcdv2.model import EtcdError, KeyNotFound, Node, Unavailable
from etcdv2.sync import Client
from program import News, Usage, log, parse_port, run

WATCH_FOR = 60.0  # seconds; then the watch is asked for again, from where it was
RETRY = 0.5  # seconds between two attempts while etcd is away
HELP = """
Usage: dynamic-etcd-amb KEY PORT

Listens on PORT and forwards each new connection to the provider registered in etcd under /services/KEY, the
newest one if there are several; the value is ADDRESS:PORT. Changes are followed by a watch; connections that
are open stay where they are. A connection is closed at once while there is no provider or it refuses, and
after 2 s if it does not answer. While etcd is away the last known provider stays. Ends on SIGTERM.

Environment:
  ETCD_PORT_10000_TCP_ADDR, ETCD_PORT_10000_TCP_PORT
                       where etcd is: Docker's link under the alias etcd sets them
  LISTEN_HOST          where to listen (default: all addresses)
"""


class Follower:
    """Keeps the provider of a service up to date in a thread of its own."""

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._key = key
        self._providers = Providers()
        self._pause = threading.Event()
        self._news = News()
        self.provider: Address | None = None

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, daemon=True, name="follower").start()

    def _follow(self) -> None:
        while True:
            try:
                index = self._read()
                while True:
                    index = self._watch(index)
            except Unavailable as error:
                self._news.say(f"etcd is away, {self.provider or 'no provider'} stays: {error}")
            except EtcdError as error:
                self._news.say(f"reading {self._key} anew: {error}")
            self._pause.wait(RETRY)

    def _read(self) -> int:
        node: Node | None = None
        try:
            event = self._client.get(self._key, recursive=True)
            node, index = event.node, event.index
        except KeyNotFound as error:
            index = error.index
        self._settle(self._providers.load(node))
        return index

    def _watch(self, index: int) -> int:
        event = self._client.watch(self._key, recursive=True, after_index=index, timeout=WATCH_FOR)
        if event is None:
            return index
        self._settle(self._providers.apply(event))
        return event.node.modified

    def _settle(self, complaints: list[str]) -> None:
        for complaint in complaints:
            log(complaint)
        self.provider = self._providers.current
        self._news.say(f"{self._key}: " + (f"provider {self.provider}" if self.provider else "no provider"))


def main(arguments: list[str]) -> None:
    """Forward and follow until a signal."""
    if len(arguments) != 2:
        raise Usage(f"two arguments wanted, KEY and PORT, not {len(arguments)}")
    try:
        port = parse_port(arguments[1])
    except ValueError as error:
        raise Usage(str(error)) from None
    key = service_key(arguments[0])
    client = Client(endpoints(os.environ, Path("/etc/hosts").read_text(errors="replace")))
    follower = Follower(client, key)
    refusals = Refusals(key)

    def where() -> Address | None:
        provider = follower.provider
        refusals.note(refused=provider is None)
        return provider

    forwarder = Forwarder(port, where, os.environ.get("LISTEN_HOST", ANYWHERE))
    log(f"forwarding port {port} to the provider of {key}")
    follower.start()
    forwarder.serve()


class Refusals:
    """One log line for the first connection without a provider, one with their number in the end."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._count = 0

    def note(self, *, refused: bool) -> None:
        """Count a connection."""
        if refused:
            if not self._count:
                log(f"connection closed: no provider of {self._key}")
            self._count += 1
        elif self._count:
            log(f"{self._count} connections were closed while {self._key} had no provider")
            self._count = 0


if __name__ == "__main__":
    run("dynamic-etcd-amb", HELP, main)
