"""testinfra's view of a machine, over the lab's own SSH connection (bounded reads, keepalive)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

if TYPE_CHECKING:
    from lab.node import Node


class NodeBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands through a Node."""

    NAME = "lab"

    def __init__(self, node: Node) -> None:
        super().__init__(hostname=node.name)
        self.node = node

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        line = self.get_command(command, *args)
        result = self.node.run(line, check=False)
        return self.result(result.code, line, result.stdout.encode(), result.stderr.encode())


def host(node: Node) -> Host:
    """A testinfra host: `host(node).service("etcd").is_running`."""
    return Host(NodeBackend(node))
