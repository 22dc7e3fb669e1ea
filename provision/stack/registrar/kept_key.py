"""A key of etcd that is kept alive as long as its owner is, and true as long as it is there."""

from __future__ import annotations

import contextlib

from etcdv2.model import COMPARE_FAILED, EtcdError, KeyNotFound, Unavailable
from etcdv2.sync import Client
from program.log import log

LAST_WITHIN = 0.4  # seconds that etcd gets per endpoint when the key is taken back at the end


class KeptKey:
    """Writes a value with a TTL, prolongs it, and removes it, never another owner's.

    The same key may be written by another machine to which the service has moved: as long as that one keeps
    it alive, this one neither writes nor prolongs nor removes it. A value that nobody keeps alive (it has no
    TTL) is no such claim, and is put right. All calls raise etcdv2's Unavailable while etcd is away.
    """

    def __init__(self, client: Client, key: str, ttl: int) -> None:
        self._client = client
        self.key = key
        self.ttl = ttl
        self.value = ""  # what was last written, empty if nothing that may still be there

    def keep(self, value: str) -> str:
        """Have the key hold `value` for another TTL; returns what it holds: another's value if it is taken.

        A new value is written whoever holds the key: the last registrar to start has the newest instance.
        """
        if value == self.value:
            try:
                self._client.refresh(self.key, self.ttl, prev_value=value)
                return value
            except KeyNotFound:
                pass
            except EtcdError as error:
                if error.code != COMPARE_FAILED:
                    raise
                with contextlib.suppress(KeyNotFound):
                    node = self._client.get(self.key).node
                    if node.ttl is not None:
                        return node.value
        # Known before it is done: whoever is stopped in between must know that there is something to remove.
        self.value = value
        self._client.set(self.key, value, self.ttl)
        return value

    def take_back(self) -> None:
        """Remove the key as a registrar's last deed: in little time, and with a word in the log."""
        last = KeptKey(self._client.within(LAST_WITHIN), self.key, self.ttl)
        last.value = self.value
        if not last.value:
            return
        try:
            last.remove()
            log(f"{last.key} removed")
        except Unavailable as error:
            log(f"{last.key} is left to its TTL of {last.ttl} s: {error}")

    def remove(self) -> None:
        """Take the key away if it still holds what was written here."""
        if not self.value:
            return
        with contextlib.suppress(EtcdError):  # it is gone, or somebody else's by now
            self._client.delete(self.key, prev_value=self.value)
        self.value = ""
