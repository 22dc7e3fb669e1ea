"""The table of fleetctl's commands: name, flags, summary, and the function that does it."""

from __future__ import annotations

from typing import NamedTuple

from fleet.ctl.flags import Flag

GLOBAL = (
    Flag("endpoint", "unix:///var/run/fleet.sock", "Location of the fleet API"),
    Flag("driver", "API", "Adapter to the cluster; only API is known"),
    Flag("tunnel", "", "Reach the API through an SSH server, HOST or HOST:PORT"),
    Flag("request-timeout", 3.0, "Seconds that a request to the API may take"),
    Flag("ssh-timeout", 10.0, "Seconds that an SSH connection may take"),
    Flag("ssh-username", "core", "User on the machines"),
    Flag("strict-host-key-checking", True, "Verify the host keys of the machines"),
    Flag("known-hosts-file", "~/.fleetctl/known_hosts", "File of known host keys"),
    Flag("debug", False, "Print more about what goes wrong"),
    Flag("version", False, "Print the version and exit"),
    Flag("help", False, "Print this text and exit", "h"),
)
_BLOCK = (
    Flag("block-attempts", 0, "Wait for this many windows of 2 s; 0 waits as long as it takes"),
    Flag("no-block", False, "Do not wait"),
)
_REPLACE = (Flag("replace", False, "Replace the units of the registry by the local files"),)
_SSH_PORT = (
    Flag("ssh-port", 22, "Port of the machines' SSH servers"),
    Flag("forward-agent", False, "Forward the SSH agent", "A"),
)


def _listing(fields: str) -> tuple[Flag, ...]:
    return (
        Flag("fields", fields, "Columns to print"),
        Flag("full", False, "Do not shorten identifiers"),
        Flag("no-legend", False, "Print no header"),
        Flag("l", False, "The same as --full", "l"),
    )


class Command(NamedTuple):
    """`function` is module:name below fleet.ctl; it is imported when the command runs."""

    function: str
    arguments: str
    text: str
    flags: tuple[Flag, ...] = ()


COMMANDS = {
    "cat": Command("listing:cat", "UNIT", "Print a unit's file"),
    "destroy": Command("lifecycle:destroy", "UNIT...", "Remove units from the cluster"),
    "fd-forward": Command("remote:forward", "SOCKET", "Join stdin and stdout to a socket"),
    "journal": Command(
        "remote:journal",
        "[--lines=N] [-f] UNIT",
        "Print a unit's journal",
        (
            Flag("lines", 10, "How many lines", "n"),
            Flag("follow", False, "Go on printing", "f"),
            Flag("output", "short", "Format of the lines"),
            Flag("sudo", False, "Run journalctl with sudo"),
            *_SSH_PORT,
        ),
    ),
    "list-machines": Command(
        "listing:list_machines", "", "List the machines", _listing("machine,ip,metadata")
    ),
    "list-unit-files": Command(
        "listing:list_unit_files",
        "",
        "List the units of the registry",
        _listing("unit,hash,dstate,state,target"),
    ),
    "list-units": Command(
        "listing:list_units", "", "List the units on machines", _listing("unit,machine,active,sub")
    ),
    "load": Command("lifecycle:load", "UNIT...", "Schedule units, do not start them", (*_BLOCK, *_REPLACE)),
    "restart": Command("lifecycle:restart", "UNIT...", "Stop and start units", _BLOCK),
    "ssh": Command(
        "remote:ssh",
        "[-A] UNIT|MACHINE [COMMAND]",
        "Open a shell on the machine of a unit, or run a command there",
        (Flag("machine", "", "A machine's ID", "m"), Flag("unit", "", "A unit", "u"), *_SSH_PORT),
    ),
    "start": Command("lifecycle:start", "UNIT...", "Schedule and start units", (*_BLOCK, *_REPLACE)),
    "status": Command("remote:status", "UNIT...", "Print what systemctl says of units", _SSH_PORT),
    "stop": Command("lifecycle:stop", "UNIT...", "Stop units", _BLOCK),
    "submit": Command("lifecycle:submit", "UNIT...", "Put units into the registry", _REPLACE),
    "unload": Command("lifecycle:unload", "UNIT...", "Take units from their machines", _BLOCK),
    "verify": Command("remote:warn_verify", "UNIT", "Does nothing any more"),
    "version": Command("", "", "Print the version and exit"),
    "help": Command("", "[COMMAND]", "Print help"),
}
_HIDDEN = ("fd-forward", "verify", "help")


def usage() -> str:
    lines = [
        "fleetctl is a command-line interface to fleet.",
        "",
        "Usage:",
        "  fleetctl [command]",
        "",
        "Commands:",
    ]
    lines += [f"  {name:<16} {each.text}" for name, each in COMMANDS.items() if name not in _HIDDEN]
    lines += ["", "Flags (each also as FLEETCTL_<FLAG> in the environment):", *_described(GLOBAL)]
    return "\n".join([*lines, "", 'Use "fleetctl [command] --help" for more about a command.', ""])


def command_usage(name: str) -> str:
    command = COMMANDS[name]
    lines = [command.text, "", "Usage:", f"  fleetctl {name} [flags] {command.arguments}".rstrip()]
    if command.flags:
        lines += ["", "Flags:", *_described(command.flags)]
    return "\n".join([*lines, ""])


def _described(flags: tuple[Flag, ...]) -> list[str]:
    lines = []
    for each in flags:
        short = f"-{each.short}, " if each.short else "    "
        default = f" (default {each.default})" if each.default not in ("", False) else ""
        lines.append(f"  {short}--{each.name:<26} {each.text}{default}")
    return lines
