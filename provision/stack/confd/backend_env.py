"""The environment as a backend: /a/b is the variable A_B."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from confd.backend import Reading


class EnvironmentBackend:
    """Reads this process's environment, which nobody changes: a watch never ends."""

    def read(self, keys: Sequence[str]) -> Reading:
        """The variables whose name begins like a key, as keys in lower case."""
        wanted = tuple(key.removeprefix("/").replace("/", "_").upper() for key in keys)
        return Reading({_key(name): value for name, value in os.environ.items() if name.startswith(wanted)})

    def wait(self, keys: Sequence[str], index: int) -> None:
        """Wait for ever."""
        threading.Event().wait()


def _key(name: str) -> str:
    return "/" + name.lower().replace("_", "/")
