"""Writing fleet's keys: each method is one change of the registry, made so that it cannot undo another's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping

from etcdv2.aio import Client
from etcdv2.model import COMPARE_FAILED, DIRECTORY_NOT_EMPTY, EtcdError, Event, KeyExists, KeyNotFound, Node
from fleet.cluster import State
from fleet.unitfile import UnitFile

_ANEW = 5  # times that a change is tried which another one has overtaken


class Registry:
    """The keys below `prefix`. Raises Unavailable when etcd does not answer."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix.strip("/") + "/"

    # Units
    async def put_unit(self, name: str, file: UnitFile, desired: str, *, content: bool = True) -> int:
        """Store a unit and what is wanted of it; answers the etcd index of the last write.

        Without `content` the file itself is left out, as another unit has brought the same.
        """
        writes = [self._change(f"job/{name}/target-state", desired)]
        if content:
            writes.append(self._put(f"unit/{file.hash}", _json({"Raw": file.text})))
        await asyncio.gather(*writes)
        # The object makes the unit appear: last, so that nobody sees it with another's target state.
        body = _json({"Name": name, "UnitHash": list(bytes.fromhex(file.hash))})
        return (await self._change(f"job/{name}/object", body)).node.modified

    async def set_desired(self, name: str, desired: str) -> int:
        return (await self._change(f"job/{name}/target-state", desired)).node.modified

    async def destroy(self, name: str) -> int | None:
        """Forget a unit; None if there is none.

        Key by key and each as it was seen: a recursive deletion that etcd carries out late would take a unit
        that has been made anew by then.
        """
        folder = self._prefix + f"job/{name}"
        last: int | None = None
        for _ in range(_ANEW):
            try:
                leaves = list((await self._client.get(folder, recursive=True, quorum=True)).node.leaves())
                # Without its object the unit is gone; what else there is of it follows.
                for leaf in sorted(leaves, key=lambda each: not each.key.endswith("/object")):
                    last = await self._delete(leaf.key, leaf.modified) or last
                await self._client.delete(folder, directory=True)
            except KeyNotFound:
                break
            except EtcdError as error:
                if error.code != DIRECTORY_NOT_EMPTY:  # an agent renewed its claim meanwhile
                    raise
            else:
                break
        return last

    async def move(self, name: str, old: str | None, new: str | None) -> int | None:
        """Change a unit's target; None if it was not `old` any more."""
        key = self._prefix + f"job/{name}/target"
        try:
            if new is None:
                return (await self._client.delete(key, prev_value=old)).node.modified
            if old is None:
                return (await self._client.put(key, new, prev_exist=False)).node.modified
            return (await self._client.put(key, new, prev_value=old)).node.modified
        except EtcdError as error:
            _lost(error)
            return None

    # What an agent says of its units
    async def claim(self, name: str, machine: str, holder: str | None, ttl: int) -> int | None:
        """Become the one that runs the unit, after `holder` (None: nobody); None if another was quicker."""
        key = self._prefix + f"job/{name}/job-state"
        try:
            if holder is None:
                return (await self._client.put(key, machine, ttl=ttl, prev_exist=False)).node.modified
            return (await self._client.put(key, machine, ttl=ttl, prev_value=holder)).node.modified
        except EtcdError as error:
            _lost(error)
            return None

    async def release(self, name: str, machine: str) -> None:
        await self._drop(f"job/{name}/job-state", machine)

    async def put_state(self, name: str, state: State, ttl: int) -> None:
        machine = {
            "ID": state.machine_id,
            "PublicIP": "",
            "Metadata": None,
            "Capabilities": None,
            "Version": "",
        }
        body = {
            "loadState": state.load,
            "activeState": state.active,
            "subState": state.sub,
            "machineState": machine,
            "unitHash": state.hash,
        }
        await self._put(f"states/{name}/{state.machine_id}", _json(body), ttl)

    async def drop_state(self, name: str, machine: str) -> None:
        await self._drop(f"states/{name}/{machine}")
        with contextlib.suppress(EtcdError):  # another machine's state is in it, or it was quicker
            await self._client.delete(self._prefix + f"states/{name}", directory=True)

    async def refresh_state(self, name: str, machine: str, ttl: int) -> bool:
        return await self._refresh(f"states/{name}/{machine}", None, ttl)

    async def refresh_claim(self, name: str, machine: str, ttl: int) -> bool:
        return await self._refresh(f"job/{name}/job-state", machine, ttl)

    # Machines
    async def create_machine(self, machine: str, value: str, ttl: int) -> int:
        """The index at which the key was made. Raises KeyExists if it is there."""
        key = self._prefix + f"machines/{machine}/object"
        return (await self._client.put(key, value, ttl=ttl, prev_exist=False)).node.modified

    async def read_machine(self, machine: str, *, quorum: bool = False) -> Node | None:
        """The key; with `quorum` as the cluster has it, and not only this member."""
        try:
            return (await self._client.get(self._prefix + f"machines/{machine}/object", quorum=quorum)).node
        except KeyNotFound:
            return None

    async def renew_machine(self, machine: str, seen: int, ttl: int, value: str | None = None) -> int | None:
        """The index of a key renewed, which watchers are told only with a new `value`; None if it changed.

        Only over what was `seen`: etcd counts the TTL from when a renewal came in, so one that it carries out
        late would end the key before its time.
        """
        key = self._prefix + f"machines/{machine}/object"
        try:
            renewed = await self._client.put(key, value, ttl=ttl, refresh=value is None, prev_index=seen)
        except EtcdError as error:
            _lost(error)
            return None
        return renewed.node.modified

    async def drop_machine(self, machine: str) -> None:
        await self._drop(f"machines/{machine}/object")

    async def set_metadata(self, machine: str, key: str, value: str) -> int:
        return (await self._put(f"machines/{machine}/metadata/{key}", value)).node.modified

    # The engine's lease
    async def take_lease(self, value: str, old: str | None, ttl: int) -> int | None:
        """Take a free lease, or that of a dead holder (`old`, its value)."""
        key = self._prefix + "lease/engine-leader"
        try:
            if old is None:
                return (await self._client.put(key, value, ttl=ttl, prev_exist=False)).node.modified
            return (await self._client.put(key, value, ttl=ttl, prev_value=old)).node.modified
        except EtcdError as error:
            _lost(error)
            return None

    async def renew_lease(self, value: str, ttl: int) -> bool:
        return await self._refresh("lease/engine-leader", value, ttl)

    async def drop_lease(self, value: str) -> None:
        await self._drop("lease/engine-leader", value)

    async def ensure_version(self) -> None:
        with contextlib.suppress(KeyExists):
            await self._client.put(self._prefix + "engine/version", "1", prev_exist=False)

    async def _change(self, key: str, value: str) -> Event:
        """Write a key over what is seen there now, and over nothing newer.

        etcd may carry out late, after seconds, what it gave no answer to: a write that was on its way to a
        leader which was cut off then. By that time a later wish may have been written.
        """
        quorum, failure = False, EtcdError(COMPARE_FAILED, "the key changes all the time")
        for _ in range(_ANEW):
            try:
                seen = (await self._client.get(self._prefix + key, quorum=quorum)).node.modified
            except KeyNotFound:
                seen = None
            try:
                exists = False if seen is None else None
                return await self._client.put(self._prefix + key, value, prev_exist=exists, prev_index=seen)
            except EtcdError as error:
                _lost(error)
                quorum, failure = True, error  # what this member has may be old
        raise failure

    async def _delete(self, key: str, seen: int) -> int | None:
        try:
            return (await self._client.delete(key, prev_index=seen)).node.modified
        except EtcdError as error:
            _lost(error)
            return None

    async def _put(self, key: str, value: str, ttl: int | None = None) -> Event:
        return await self._client.put(self._prefix + key, value, ttl=ttl)

    async def _drop(self, key: str, value: str | None = None) -> None:
        try:
            await self._client.delete(self._prefix + key, prev_value=value)
        except EtcdError as error:
            _lost(error)

    async def _refresh(self, key: str, value: str | None, ttl: int) -> bool:
        """Renew a key's TTL, of which etcd tells no watcher; False if it is gone or not `value` any more."""
        exist = True if value is None else None
        try:
            await self._client.put(
                self._prefix + key, ttl=ttl, refresh=True, prev_exist=exist, prev_value=value
            )
        except EtcdError as error:
            _lost(error)
            return False
        return True


def _lost(error: EtcdError) -> None:
    """Somebody else changed the key first; anything but that is a real error."""
    if not isinstance(error, (KeyNotFound, KeyExists)) and error.code != COMPARE_FAILED:
        raise error


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))
