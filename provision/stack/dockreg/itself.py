"""Which container this is, as seen from within."""

from __future__ import annotations

import re
import socket
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def own_name() -> str:
    """The id of this container, or its host name, which starts the id unless --hostname was given."""
    try:
        mounts = MOUNTS.read_text(errors="replace")
    except OSError:
        mounts = ""
    return container_id(mounts) or socket.gethostname()


def container_id(mounts: str) -> str:
    """The id that Docker's own file behind /etc/hostname has in its path; "" if it is none of Docker's."""
    found = re.search(r" \S*/containers/([0-9a-f]{64})/hostname /etc/hostname ", mounts)
    return found[1] if found else ""
