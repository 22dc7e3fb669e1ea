"""The commands that go to a machine: ssh, status, journal, and the way there."""

# ruff: noqa: PTH103, PTH111, PTH120, PTH123
# (pathlib alone would be a fifth of fleetctl's start)

from __future__ import annotations

import os
import shlex
import socket
from typing import Any

from fleet.ctl.client import Client
from fleet.ctl.failure import Failure, say, suggestion
from fleet.ctl.flags import Values
from fleet.ctl.listing import is_global
from fleet.names import complete

_NO_AGENT = (
    "SSH_AUTH_SOCK environment variable is not set. Verify ssh-agent is running. "
    "See https://github.com/coreos/fleet/blob/master/Documentation/using-the-client.md for help."
)


def ssh(client: Client, values: Values, arguments: list[str]) -> int:
    machine, unit = values.text("machine"), values.text("unit")
    if machine and unit:
        raise Failure("Both machine and unit flags provided, please specify only one.")
    if not machine and not unit and not arguments:
        raise Failure("Provide one machine or unit")
    command = arguments if machine or unit else arguments[1:]
    machines = client.machines()
    wanted = machine or unit or arguments[0]
    found = None if machine else _unit_machine(client, wanted)
    if found is None and not unit:
        near = [each for each in machines if each.startswith(wanted)]
        found = near[0] if len(near) == 1 else None
    if found is None:
        known = [str(each["name"]) for each in client.units()]
        raise Failure(
            "Unable to proceed: could not find matching unit or machine" + suggestion(complete(wanted), known)
        )
    return _remote(values, _address(machines, found), command)


def status(client: Client, values: Values, arguments: list[str]) -> int:
    if not arguments:
        raise Failure("One unit file must be provided")
    code = 0
    for at, argument in enumerate(arguments):
        if at:
            print(flush=True)
        name = complete(argument)
        unit = _known(client, name)
        if is_global(unit):
            raise Failure(f"Unable to determine status of global unit {name}.")
        if unit.get("currentState", "inactive") == "inactive":
            raise Failure(f"Unit {name} does not appear to be loaded.")
        code = _run(client, values, unit, ["systemctl", "status", "-l", name]) or code
    return code


def journal(client: Client, values: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise Failure("One unit file must be provided.")
    name = complete(arguments[0])
    unit = _known(client, name)
    if is_global(unit):
        raise Failure(f"Unable to retrieve journal of global unit {name}.")
    if unit.get("currentState", "inactive") == "inactive":
        raise Failure(f"Unit {name} does not appear to be running.")
    command = ["journalctl", "--unit", name, "--no-pager", "-n", str(values.whole("lines"))]
    command += ["--output", values.text("output")]
    if values.on("follow"):
        command.append("-f")
    if values.on("sudo"):
        command.insert(0, "sudo")
    return _run(client, values, unit, command)


def forward(values: Values, arguments: list[str]) -> int:
    """fd-forward: join stdin and stdout to a Unix socket; the far end of --tunnel."""
    import threading

    if len(arguments) != 1:
        raise Failure("Provide a single argument: the path of a socket")
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(arguments[0])
    except OSError as error:
        raise Failure(f"{arguments[0]}: {error.strerror}") from None

    def upstream() -> None:
        while data := os.read(0, 65536):
            link.sendall(data)
        link.shutdown(socket.SHUT_WR)

    threading.Thread(target=upstream, daemon=True).start()
    while data := link.recv(65536):
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
    return 0


def tunnel(values: Values) -> socket.socket:
    """A connection to the API of a machine that SSH reaches. Raises OSError."""
    import subprocess

    try:
        host, port = _host_port(values.text("tunnel"))
        command = _ssh(values, host, port, False)
    except Failure as failure:
        raise OSError(failure.text) from None
    path = values.text("endpoint").partition("://")[2]
    path = (
        "/" + path.lstrip("/")
        if values.text("endpoint").startswith(("unix", "file"))
        else "/var/run/fleet.sock"
    )
    near, far = socket.socketpair()
    with far:
        subprocess.Popen([*command, "fleetctl", "fd-forward", path], stdin=far.fileno(), stdout=far.fileno())
    return near


def _known(client: Client, name: str) -> dict[str, Any]:
    unit = client.unit(name)
    if unit is None:
        known = [str(each["name"]) for each in client.units()]
        raise Failure(f"Unit {name} does not exist." + suggestion(name, known))
    return unit


def _unit_machine(client: Client, argument: str) -> str | None:
    unit = client.unit(complete(argument))
    if unit is None:
        return None
    if is_global(unit):
        raise Failure(f"Unable to connect to global unit {unit['name']}.")
    if not unit.get("machineID"):
        raise Failure(f"Unit {unit['name']} is not scheduled on any machine.")
    return str(unit["machineID"])


def _address(machines: dict[str, dict[str, Any]], machine: str) -> str:
    address = str(machines.get(machine, {}).get("primaryIP", ""))
    if not address:
        raise Failure(f"Unable to determine IP address of machine {machine}")
    return address


def _run(client: Client, values: Values, unit: dict[str, Any], command: list[str]) -> int:
    """Run a command where the unit is: here, or over SSH."""
    machine = str(unit.get("machineID", ""))
    if machine == _own_id():
        import subprocess

        return subprocess.call(command)
    return _remote(values, _address(client.machines(), machine), command)


def _own_id() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _remote(values: Values, host: str, command: list[str]) -> int:
    import subprocess

    if not os.environ.get("SSH_AUTH_SOCK"):
        raise Failure(f"Unable to SSH to remote host: {_NO_AGENT}", 255)
    port = values.whole("ssh-port")
    line = _ssh(values, host, port, values.on("forward-agent"))
    if values.text("tunnel"):
        gate, gate_port = _host_port(values.text("tunnel"))
        gate_line = _ssh(values, gate, gate_port, False)
        proxy = shlex.join([*gate_line[:-1], "-W", f"[{host}]:{port}", gate_line[-1]])
        line[1:1] = ["-o", f"ProxyCommand={proxy}"]
    if command:
        # ssh joins the words with blanks and a shell reads them: what was one word here stays one.
        line.append(command[0] if len(command) == 1 else shlex.join(command))
    else:
        line.insert(1, "-tt" if os.isatty(0) else "-T")
    code = subprocess.call(line)
    return 128 - code if code < 0 else code


def _ssh(values: Values, host: str, port: int, agent: bool) -> list[str]:
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise Failure(f"Unable to SSH to remote host: {_NO_AGENT}", 255)
    known = os.path.expanduser(values.text("known-hosts-file"))
    os.makedirs(os.path.dirname(known) or ".", mode=0o700, exist_ok=True)
    strict = values.on("strict-host-key-checking")
    # With nobody to ask, a machine is taken at its word the first time, and held to it from then on.
    checking = ("ask" if os.isatty(0) else "accept-new") if strict else "no"
    options = [
        f"UserKnownHostsFile={known if strict else '/dev/null'}",
        f"StrictHostKeyChecking={checking}",
        f"ConnectTimeout={max(1, round(values.number('ssh-timeout')))}",
        "PreferredAuthentications=publickey",
        "IdentityFile=none",
        "ServerAliveInterval=5",
        "LogLevel=ERROR",
        f"ForwardAgent={'yes' if agent else 'no'}",
    ]
    words = [word for each in options for word in ("-o", each)]
    return ["ssh", *words, "-p", str(port), "-l", values.text("ssh-username"), host]


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, 22
    if not port.isdigit():
        raise Failure(f"--tunnel {text}: must be HOST or HOST:PORT")
    return host, int(port)


def warn_verify(arguments: list[str]) -> int:
    say("WARNING: The signed/verified units feature is DEPRECATED and cannot be used.")
    return 0
