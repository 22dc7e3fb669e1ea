"""etcd's v2 API as a backend, with the original's words for what goes wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from confd import gotext
from confd.backend import Reading, Unread
from confd.problem import Fatal
from confd.settings import Settings
from etcdv2.model import EVENT_INDEX_CLEARED, EtcdError, Event, NoLeader, NotEtcd, Unavailable
from etcdv2.sync import Client, NotSent

if TYPE_CHECKING:
    import ssl

TIMEOUT = 3.0  # seconds an endpoint has for an answer
INVALID = "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint"
WATCH_FOR = 60.0  # seconds; then the watch is asked for again, from where it was


class EtcdBackend:
    """Reads by quorum, the nodes in turn; follows by a watch that misses nothing."""

    def __init__(self, nodes: Sequence[str], settings: Settings) -> None:
        credentials = (settings.username, settings.password) if settings.basic_auth else None
        try:
            self._client = Client(nodes, TIMEOUT, tls=_tls(nodes, settings), credentials=credentials)
        except ValueError as error:
            raise Fatal(str(error)) from None

    def read(self, keys: Sequence[str]) -> Reading:
        """All values at and below the keys, each key in a request of its own. Raises Unread."""
        values: dict[str, str] = {}
        first: int | None = None
        try:
            for key in keys:
                event = self._client.get(key, recursive=True, sorted=True, quorum=True)
                first = event.index if first is None else first
                values.update((node.key, gotext.scalar(node.value)) for node in event.node.leaves())
        except EtcdError as error:
            index = error.index if first is None else first
            raise Unread(etcd_error(error), index) from None
        except Unavailable as error:
            raise Unread(unavailable(error)) from None
        return Reading(values, first or 0)

    def wait(self, keys: Sequence[str], index: int) -> None:
        """Watch what all keys have in common, and return at the first event that concerns one of them."""
        above = os.path.commonpath(keys)
        try:
            while True:
                event = self._client.watch(above, recursive=True, after_index=index, timeout=WATCH_FOR)
                if event is None:
                    continue
                if event.node.modified <= index:  # no etcd says that; believing it would be an endless loop
                    raise Unread(INVALID)
                if concerns(event, keys):
                    return
                index = event.node.modified
        except EtcdError as error:
            if error.code == EVENT_INDEX_CLEARED:  # what was missed is not told any more: read all anew
                return
            raise Unread(etcd_error(error)) from None
        except Unavailable as error:
            raise Unread(unavailable(error)) from None


def concerns(event: Event, keys: Sequence[str]) -> bool:
    """Whether a key may have another value now: it begins like the event's key, or lies in that folder."""
    changed = event.node.key
    return any(changed.startswith(key) or key.startswith(changed.rstrip("/") + "/") for key in keys)


def etcd_error(error: EtcdError) -> str:
    """`100: Key not found (/nowhere) [7]`."""
    return f"{error.code}: {error.message} ({error.cause}) [{error.index}]"


def unavailable(error: Unavailable) -> str:
    """One line on all endpoints."""
    failures = error.failures
    if failures and all(isinstance(cause, NotEtcd) for _, cause in failures):
        return INVALID
    each = "".join(f"; error #{number}: {_failure(*failure)}" for number, failure in enumerate(failures))
    return f"client: etcd cluster is unavailable or misconfigured{each or f': {error}'}"


def _failure(endpoint: str, error: Exception) -> str:
    if isinstance(error, NoLeader):
        return f"client: etcd member {endpoint} has no leader"
    if isinstance(error, NotEtcd):
        return f"client: etcd member {endpoint} gave no answer of etcd's"
    place = endpoint.partition("://")[2]
    cause = error.__cause__ if isinstance(error, NotSent) else error
    if isinstance(cause, socket.gaierror):
        return f"dial tcp: lookup {place.rpartition(':')[0]}: no such host"
    if isinstance(cause, TimeoutError) and cause.errno is None:
        if isinstance(error, NotSent):
            return f"dial tcp {place}: i/o timeout"
        return f"client: endpoint {endpoint} exceeded header timeout"
    if wrong := getattr(cause, "verify_message", None):  # ssl's errors, without an import of ssl
        return f"x509: {wrong}"
    if wrong := getattr(cause, "reason", None):
        return f"tls: {str(wrong).lower().replace('_', ' ')}"
    if isinstance(error, NotSent) and isinstance(cause, OSError):
        return f"dial tcp {place}: connect: {gotext.errno_text(cause)}"
    return f"read tcp {place}: {gotext.errno_text(cause) if isinstance(cause, OSError) else cause}"


def _tls(nodes: Sequence[str], settings: Settings) -> ssl.SSLContext | None:
    """A context if a node wants TLS; ssl is much of a small program's start, and imported only then."""
    if not any(node.startswith("https://") for node in nodes):
        return None
    import ssl

    try:
        context = ssl.create_default_context(cafile=settings.client_ca_keys or None)
        if settings.client_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings.client_cert and settings.client_key:
            context.load_cert_chain(settings.client_cert, settings.client_key)
    except OSError as error:
        given = [
            each for each in (settings.client_ca_keys, settings.client_cert, settings.client_key) if each
        ]
        missing = [path for path in given if not os.access(path, os.R_OK)]
        if missing:
            raise Fatal(f"open {missing[0]}: {gotext.errno_text(error)}") from None
        raise Fatal(f"tls: {', '.join(given)}: {error}") from None
    return context
