"""OpenSSH to the machines of a lab: one configuration for `ssh`, `scp` and `lab run`."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lab import dial, netns, network
from lab.node import USER
from lab.processes import MARK
from lab.store import Record, folder

SOCKET_LIMIT = 107  # bytes of a path that the kernel takes for a unix socket
SUFFIX = 17  # what ssh puts behind a socket's name while it makes it
ALIVE_EVERY = 5  # seconds; a connection to a machine without power ends after three of these
CONNECT_WITHIN = 60  # seconds for the key exchange of a machine that boots in software emulation
CLOSE_WITHIN = 5.0

COMMON = """\
# Written by `lab`. Use it with any OpenSSH program: ssh -F THIS-FILE MACHINE, scp -F THIS-FILE ...
Host *
  User {user}
  IdentityFile "{key}"
  IdentitiesOnly yes
  PreferredAuthentications publickey
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ServerAliveInterval {alive}
  ServerAliveCountMax 3
  ConnectTimeout {connect}
  ProxyUseFdpass yes
  ProxyCommand nsenter "--net={namespace}" -- "{python}" -I -S "{dial}" %h %p
  ControlMaster auto
  ControlPersist yes
"""


def configure(record: Record) -> Path:
    """Write the lab's ssh configuration; returns its path."""
    place = folder(record.name)
    path = place / "ssh/config"
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(configuration(record, place))
    part.replace(path)
    return path


def configuration(record: Record, place: Path) -> str:
    """The text of the ssh configuration of a lab that lives in `place`."""
    text = COMMON.format(
        user=USER,
        key=place / "ssh/id_ed25519",
        alive=ALIVE_EVERY,
        connect=CONNECT_WITHIN,
        namespace=netns.path(network.namespace(record.name)),
        python=sys.executable,
        dial=dial.__file__,
    )
    for machine in record.topology.machines:
        control = control_path(record.name, machine.name)
        fits = len(os.fsencode(control)) + SUFFIX <= SOCKET_LIMIT
        kept = f'"{control}"' if fits else "none"
        text += f"Host {machine.name}\n  HostName {machine.control}\n  ControlPath {kept}\n"
    return text


def command(record: Record, node: str, words: Sequence[str]) -> list[str]:
    """The command of `lab run`: over the kept connection, which it makes if there is none."""
    return ["ssh", "-F", str(folder(record.name) / "ssh/config"), "-T", node, remote_line(words)]


def session(record: Record, node: str, words: Sequence[str], *, terminal: bool) -> list[str]:
    """The command of `lab ssh`: with an agent of its own that holds the lab's key, and ends with the session.

    A connection of its own, too: over a kept one, ssh would forward the agent of whoever made that.
    """
    place = folder(record.name) / "ssh"
    ssh = ["ssh", "-F", str(place / "config"), "-o", "ControlPath=none", "-A", "-t" if terminal else "-T"]
    add_key = 'key=$1; shift; ssh-add -q "$key" && exec "$@"'
    line = [remote_line(words)] if words else []
    return ["ssh-agent", "sh", "-c", add_key, "lab", str(place / "id_ed25519"), *ssh, node, *line]


def become(record: Record, command: Sequence[str]) -> NoReturn:
    """Replace this process by `command`, which `lab down` will end with whatever it leaves behind.

    It runs in the lab's network, where it is found: ssh writes its title over its environment, MARK included.
    """
    sys.stdout.flush()
    os.environ[MARK] = str(folder(record.name))
    argv = netns.command(network.namespace(record.name), *command)
    os.execvp(argv[0], argv)


def remote_line(words: Sequence[str]) -> str:
    """One word is a shell line as it stands; several are a command whose words stay what they are."""
    return words[0] if len(words) == 1 else shlex.join(words)


def control_path(name: str, node: str) -> Path:
    """Where the kept connection to a machine listens; bin/lab looks there, too."""
    return folder(name) / f"ssh/{node}.s"


def close(name: str, *nodes: str) -> None:
    """End the kept connections to machines that are about to lose them: ssh would notice only later."""
    place = folder(name)
    for node in nodes:
        control = control_path(name, node)
        if control.exists():
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    ["ssh", "-F", str(place / "ssh/config"), "-O", "exit", node],
                    capture_output=True,
                    timeout=CLOSE_WITHIN,
                    stdin=subprocess.DEVNULL,
                )
            control.unlink(missing_ok=True)
