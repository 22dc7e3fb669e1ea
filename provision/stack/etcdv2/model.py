"""What etcd's v2 keys API says and is asked, without any I/O."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

KEY_NOT_FOUND = 100
COMPARE_FAILED = 101
NODE_EXIST = 105
DIRECTORY_NOT_EMPTY = 108
EVENT_INDEX_CLEARED = 401


class EtcdError(Exception):
    """etcd refused a request.

    `code` is etcd's own error code (100 key not found, 101 compare failed, 105 key exists,
    401 the watched index is gone from the history), `index` etcd's index at that moment.
    """

    def __init__(self, code: int, message: str, cause: str = "", index: int = 0) -> None:
        super().__init__(f"{code}: {message}" + (f" ({cause})" if cause else ""))
        self.code = code
        self.message = message
        self.cause = cause
        self.index = index


class KeyNotFound(EtcdError):
    """The key, or the directory above it, is not there (code 100)."""


class KeyExists(EtcdError):
    """A create found the key already there (code 105)."""


class Unavailable(Exception):
    """No etcd endpoint gave a usable answer: refused, timed out, no leader, or not etcd at all.

    `failures` has each endpoint that was asked, as a URL, with what went wrong there.
    """

    def __init__(self, message: str, failures: tuple[tuple[str, Exception], ...] = ()) -> None:
        super().__init__(message)
        self.failures = failures


class NotEtcd(Unavailable):
    """What answered is not etcd, or its answer is damaged."""


class NoLeader(Unavailable):
    """The member has lost its cluster, or an election is on."""


@dataclass(frozen=True)
class Node:
    """A key or a directory as etcd shows it; `ttl` in whole seconds, None without one."""

    key: str
    value: str = ""
    directory: bool = False
    ttl: int | None = None
    modified: int = 0
    created: int = 0
    nodes: tuple[Node, ...] = ()

    def leaves(self) -> Iterator[Node]:
        """Every key below this node that holds a value, depth first; the node itself if it is one."""
        if not self.directory:
            yield self
        for node in self.nodes:
            yield from node.leaves()


@dataclass(frozen=True)
class Event:
    """An answer of etcd.

    `action` is get, set, create, update, delete, expire, compareAndSwap or compareAndDelete;
    `index` is X-Etcd-Index: a watch for what follows a `get` starts at `index` + 1.
    """

    action: str
    node: Node
    previous: Node | None = None
    index: int = 0


@dataclass(frozen=True)
class Request:
    """One HTTP request to the keys API: `path` holds the query, `body` the form of a PUT or POST."""

    method: str
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def keys(
        cls,
        method: str,
        key: str,
        query: Mapping[str, str | int | bool] | None = None,
        form: Mapping[str, str | int | bool] | None = None,
    ) -> Request:
        """A request for `key`; booleans are written the way etcd wants them."""
        path = "/v2/keys/" + quote(key.strip("/"), safe="/")
        if query:
            path += "?" + _encode(query)
        if form is None:
            return cls(method, path)
        return cls(method, path, _encode(form), {"Content-Type": "application/x-www-form-urlencoded"})


def basic_authorization(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def parse(status: int, headers: Mapping[str, str], body: bytes) -> Event:
    """Read an answer of the keys API; `headers` with lower-case names.

    Raises EtcdError (or a subclass) if etcd refused, Unavailable if the answer is not etcd's or says
    that the cluster has no leader.
    """
    try:
        index = int(headers.get("x-etcd-index", "0") or 0)
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotEtcd(f"HTTP {status} with a body that is not JSON") from None
    try:
        if "errorCode" in document:
            raise _error(document, index)
        if status >= 500 or "node" not in document:
            kind = NoLeader if status in (500, 503) else NotEtcd
            raise kind(f"HTTP {status}: {document.get('message', 'no node in the answer')}")
        previous = document.get("prevNode")
        return Event(
            action=str(document.get("action", "")),
            node=_node(document["node"]),
            previous=_node(previous) if previous else None,
            index=index,
        )
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise NotEtcd(f"HTTP {status} with a body that is not an etcd answer") from None


def _error(document: Mapping[str, Any], index: int) -> Exception:
    code = int(document["errorCode"])
    message, cause = str(document.get("message", "")), str(document.get("cause", ""))
    if 300 <= code < 400:  # raft trouble: no leader, or one being elected
        return NoLeader(f"{code}: {message}")
    kind = {KEY_NOT_FOUND: KeyNotFound, NODE_EXIST: KeyExists}.get(code, EtcdError)
    return kind(code, message, cause, int(document.get("index", index)))


def _node(document: Mapping[str, Any]) -> Node:
    return Node(
        key=str(document.get("key", "/")),
        value=str(document.get("value", "")),
        directory=bool(document.get("dir", False)),
        ttl=document.get("ttl"),
        modified=int(document.get("modifiedIndex", 0)),
        created=int(document.get("createdIndex", 0)),
        nodes=tuple(_node(child) for child in document.get("nodes", ())),
    )


def _encode(values: Mapping[str, str | int | bool]) -> str:
    return urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    )
