"""`lab inventory`: the lab's machines as Ansible asks an inventory for them (`lab-inventory` behind -i)."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.cli import Session

TEXT = """Prints the lab as a dynamic inventory of Ansible. Ansible runs it by itself:
`ansible -i "$(command -v lab-inventory)" all -m ping`, or `ansible-playbook -i ...`; --lab or LAB_NAME says
which lab. Machines whose names differ in their number alone are a group (node-front-1 is in node_front); so
are etcd and public."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What Ansible asks an inventory with."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="every machine and group (the default)")
    which.add_argument("--host", metavar="MACHINE", default="", help="one machine's variables")


def inventory(session: Session) -> None:
    """Print the document; JSON in any case."""
    from lab import connection, store
    from lab.inventory import inventory as every
    from lab.inventory import variables

    record = store.require(session.lab)
    config = connection.configure(record)
    host = session.options.host
    print(json.dumps(variables(record, host, config) if host else every(record, config), indent=1))
