"""etcd's v2 API as a test reads it: keys, their age, members, and what each member believes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import requests

from lab.errors import MachineError

PORT = 2379
# Seconds for one request: longer than an election of healthy members (time-out 1 s, or 5 s in emulation).
TIMEOUT, TIMEOUT_EMULATED = 3.0, 12.0
CHANGE_WITHIN = 15.0  # seconds for a change of the membership: etcd itself gives up after some seven


@dataclass(frozen=True)
class Key:
    """A key as one member shows it; without a TTL, `ttl` (whole seconds) and `expires` are None.

    `expires`, seconds since 1970, is the same on all members: the one that took the write has reckoned it.
    """

    name: str
    value: str
    modified: int
    ttl: int | None
    expires: float | None = None


@dataclass(frozen=True)
class Member:
    """A member as the cluster lists it; `name` is "" until it has started for the first time."""

    id: str
    name: str
    clients: tuple[str, ...]
    peers: tuple[str, ...]


class EtcdFailed(MachineError):
    """A member did not answer, or not as etcd does; `code` is etcd's error code, 0 for none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Etcd:
    """The cluster: `addresses` maps machine names to where their member answers.

    Every call takes `member=NAME`; without it, the first member that answers is asked.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        session: Callable[[], requests.Session],
        within: float = TIMEOUT,
    ) -> None:
        self.addresses = dict(addresses)
        self._within = within  # seconds for one request
        self._new_session = session

    def get(self, key: str, *, member: str = "", quorum: bool = False) -> Key | None:
        """The key, or None if it is not there."""
        query = {"quorum": "true"} if quorum else {}
        answer = self._keys("GET", key, member, params=query)
        return None if answer is None else _key(answer["node"])

    def keys(self, folder: str, *, member: str = "", quorum: bool = False) -> list[Key]:
        """Every key below `folder`, by name; nothing if there is no such folder."""
        query = {"recursive": "true", "sorted": "true"} | ({"quorum": "true"} if quorum else {})
        answer = self._keys("GET", folder, member, params=query)
        return [] if answer is None else [_key(node) for node in _leaves(answer["node"])]

    def set(self, key: str, value: str, *, ttl: int | None = None, member: str = "") -> Key:
        """Write a key; `ttl` in seconds."""
        form: dict[str, str | int] = {"value": value}
        if ttl is not None:
            form["ttl"] = ttl
        answer = self._keys("PUT", key, member, data=form)
        if answer is None:
            raise EtcdFailed(f"etcd: cannot write {key}")
        return _key(answer["node"])

    def delete(self, key: str, *, recursive: bool = False, member: str = "") -> bool:
        """Remove a key; False if it was not there."""
        query = {"recursive": "true"} if recursive else {}
        return self._keys("DELETE", key, member, params=query) is not None

    def members(self, *, member: str = "") -> list[Member]:
        """The members that the cluster knows of, by name."""
        document = self._ask("GET", "/v2/members", member).json()
        found = [
            Member(
                entry["id"],
                entry.get("name", ""),
                tuple(entry.get("clientURLs", ())),
                tuple(entry.get("peerURLs", ())),
            )
            for entry in document["members"]
        ]
        return sorted(found, key=lambda entry: entry.name)

    def add_member(self, peer: str, *, member: str = "") -> None:
        """Tell the cluster of a new member that will speak to its peers at `peer`, before it starts.

        Raises EtcdFailed when the cluster takes none just now: without a quorum, or while a member is down
        or has not been seen by the one that is asked for five seconds.
        """
        self._change("POST", "/v2/members", member, json={"peerURLs": [peer]})

    def remove_member(self, id: str, *, member: str = "") -> None:
        """Take a member from the cluster. Raises EtcdFailed as `add_member` does."""
        self._change("DELETE", f"/v2/members/{id}", member)

    def healthy(self, member: str) -> bool:
        """Whether a member answers and can commit a write."""
        try:
            return bool(self._ask("GET", "/health", member).json().get("health") in (True, "true"))
        except (EtcdFailed, ValueError):
            return False

    def leader(self, *, member: str = "") -> str:
        """The machine that leads, as a member (the first that answers) sees it; "" during an election.

        This is what raft says: v2's statistics have every member name itself after a change of the leader,
        until the new one has sent it an entry, and for as long as there is none.
        """
        names = {int(entry.id, 16): entry.name for entry in self.members(member=member)}
        document = self._ask("POST", "/v3/maintenance/status", member, json={}).json()
        if "header" not in document:
            raise EtcdFailed(f"etcd: no status from {member or 'any member'}: {document.get('error')}")
        return names.get(int(document.get("leader", 0)), "")

    def index(self, member: str) -> int:
        """The raft index that a member has applied: equal on all members that have caught up."""
        response = self._ask("GET", "/v2/keys/", member)
        return int(response.headers.get("X-Raft-Index", "0"))

    def _keys(self, method: str, key: str, member: str, **options: Any) -> dict[str, Any] | None:
        response = self._ask(method, "/v2/keys/" + key.strip("/"), member, **options)
        document: dict[str, Any] = response.json()
        code = int(document.get("errorCode", 0))
        if code == 100:
            return None
        if code:
            raise EtcdFailed(f"etcd: {key}: {document.get('message')} ({document.get('cause', '')})", code)
        return document

    def _change(self, method: str, path: str, member: str, **options: Any) -> None:
        """A change of the membership, which etcd answers with an empty body or with its reason.

        Members are asked in turn until one agrees: one that has met a dead connection to a peer holds the
        peer for inactive for minutes, streams with it or not, and refuses every change meanwhile.
        """
        refused = EtcdFailed(f"etcd: {method} {path}: no member to ask")
        for name in [member] if member else self.addresses:
            try:
                response = self._ask(method, path, name, empty=True, within=CHANGE_WITHIN, **options)
            except EtcdFailed as silent:
                refused = silent
                continue
            if response.ok:
                return
            said = f"{response.status_code} {response.text.strip()[:200]}"
            refused = EtcdFailed(f"etcd: {method} {path} through {name}: {said}")
        raise refused

    def _ask(
        self,
        method: str,
        path: str,
        member: str,
        *,
        empty: bool = False,
        within: float | None = None,
        **options: Any,
    ) -> requests.Response:
        if member and member not in self.addresses:
            raise MachineError(f"no etcd member {member!r}; members: {', '.join(self.addresses)}")
        problem: Exception | None = None
        with self._new_session() as session:
            for name in [member] if member else list(self.addresses):
                url = f"http://{self.addresses[name]}:{PORT}{path}"
                try:
                    response = session.request(method, url, timeout=within or self._within, **options)
                    if not empty:
                        response.json()
                    return response
                except (requests.RequestException, ValueError) as error:
                    problem = error
        raise EtcdFailed(f"etcd: no answer from {member or 'any member'}: {problem}")


def _key(node: Mapping[str, Any]) -> Key:
    expires = moment(node["expiration"]) if "expiration" in node else None
    return Key(
        node["key"], node.get("value", ""), int(node.get("modifiedIndex", 0)), node.get("ttl"), expires
    )


def moment(text: str) -> float:
    """Seconds since 1970 of a time as etcd writes it, in UTC with up to nine decimal places (RFC 3339)."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp() + float(f"0.{fraction}")


def _leaves(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not node.get("dir"):
        return [node]
    return [leaf for child in node.get("nodes", ()) for leaf in _leaves(child)]
