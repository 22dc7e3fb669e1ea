"""The words of the `lab` command line: every command with its arguments and help texts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import cli_commands, cli_fault, cli_inventory, cli_report

if TYPE_CHECKING:
    from lab.cli import Session

PROVIDERS = ("auto", "libvirt", "nspawn")
Arguments = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Command:
    """A word of the command line: what it takes, what it does, and whether it needs root."""

    name: str
    summary: str
    call: Callable[[Session], int | None] | None
    arguments: Arguments
    description: str = ""
    root: bool = True


def _nothing(_: argparse.ArgumentParser) -> None:
    pass


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="MACHINE", help="name of a machine, for example coreos-1")


def _up(parser: argparse.ArgumentParser) -> None:
    machines = "only these machines; on a lab that is up, further machines that join it"
    parser.add_argument("machines", metavar="MACHINE", nargs="*", help=machines)
    parser.add_argument("--provider", metavar="PROVIDER", choices=PROVIDERS, default="", help=_PROVIDER)
    parser.add_argument(
        "--topology", metavar="FILE", help="description of the machines (default: ./lab.yaml)"
    )
    name = "name of the lab, the same as --lab"
    parser.add_argument("--name", dest="lab", metavar="NAME", default=argparse.SUPPRESS, help=name)
    parser.add_argument("--keep", action="store_true", help="leave a lab that does not come up as it is")


def _heal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="MACHINE", nargs="?", default="", help="only undo its `lab cut`")


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", action="store_true", help="show fleet's units, too")


def _ssh(parser: argparse.ArgumentParser) -> None:
    _node(parser)
    words = "run this instead of a shell"
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help=words)


def _run(parser: argparse.ArgumentParser) -> None:
    _node(parser)
    words = "the command; one word is a shell line, several are taken as they are"
    parser.add_argument("words", metavar="-- COMMAND", nargs=argparse.REMAINDER, help=words)


def _logs(parser: argparse.ArgumentParser) -> None:
    _node(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is new, until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=100, help="how many lines (default: 100)")
    parser.add_argument("-u", "--unit", action="append", default=[], help="only this systemd unit's")
    parser.add_argument("--console", action="store_true", help="the console's log instead of the journal")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", metavar="PROVIDER", choices=PROVIDERS, default="", help=_PROVIDER)


def _box(parser: argparse.ArgumentParser) -> None:
    from lab.cli import Parser, common

    parts = parser.add_subparsers(metavar="COMMAND", dest="part", required=True, parser_class=Parser)

    def part(name: str, summary: str) -> argparse.ArgumentParser:
        return parts.add_parser(name, help=summary, parents=[common()], allow_abbrev=False)

    build = part("build", "make what is missing of the box")
    build.add_argument("--vm", action="store_true", help="with a disk for virtual machines")
    build.add_argument("--topology", metavar="FILE", help="whose `box` section counts (default: ./lab.yaml)")
    build.set_defaults(call=cli_commands.box_build)
    listing = part("list", "the boxes, their size, and the labs that use them")
    listing.set_defaults(call=cli_commands.box_list)
    remove = part("rm", "remove a box that no lab uses")
    remove.add_argument("key", metavar="KEY", help="its key, or the start of it, or `all`, or `old`")
    days = "with `old`: that no lab was made of for so many days (default: 7)"
    remove.add_argument("--days", type=float, default=7, help=days)
    remove.set_defaults(call=cli_commands.box_rm)


_PROVIDER = "how machines are made: libvirt (VMs), nspawn (containers), or auto (libvirt where KVM works)"
_UP = """Makes the lab of the topology and waits until etcd, Docker and fleet are ready. `lab up host-2` on a
lab that is up starts a machine that it does not have yet: its etcd joins the cluster as a new member."""
_LEAVE = """Takes a machine out of a lab that is up: its units move, its etcd member leaves the cluster, and
it is removed with all that it has written. `lab up MACHINE` has it join again; `lab reset` undoes both."""
_SSH = """Opens a shell on a machine as user core, or runs a command there with a terminal. The session
forwards an agent that holds the lab's key and ends with it, so `fleetctl ssh UNIT` works from any machine."""
_RUN = """Runs a command on a machine as user core and ends with its exit code. One word behind `--` is a
shell line (`-- 'ls | wc -l'`); several are a command whose words are passed as they are."""
_LOGS = "Shows the journal of a machine; of one without power, the log of its console."
_DOWN = "Removes the lab with all it has, however far it came, and says what that was."
_FAULT = """Makes a fault. With --for it is healed after that time, or when interrupted; without, it stays
until `lab heal`. TARGET is a machine, machines with commas, a role (leader, follower, followers, minority,
majority, all, "machine_of(UNIT)"), a unit of fleet, or MACHINE:NAME for a container or systemd unit on it."""
_HEAL = """Without MACHINE, heals every fault that is in place, also those of a harness that was killed, and
undoes every `lab cut` and `lab crash`."""
_REPORT = "Shows what runs of the failover tests have measured; --html draws it, --compare says what changed."
_CUT = "Takes the private and the public network from a machine. `lab ssh` and `lab run` still reach it."

COMMANDS = (
    Command(
        "up", "make the lab, or have a machine join it, and wait until it is ready", cli_commands.up, _up, _UP
    ),
    Command("leave", "take a machine out of a lab that is up", cli_commands.leave, _node, _LEAVE),
    Command("status", "machines, etcd members and what fleet sees", cli_commands.status, _status),
    Command("ssh", "a shell on a machine, with the lab's key forwarded", cli_commands.ssh, _ssh, _SSH),
    Command("run", "run a command on a machine", cli_commands.run, _run, _RUN),
    Command("reboot", "reboot a machine cleanly and wait until it is back", cli_commands.reboot, _node),
    Command("crash", "take the power from a machine, without a shutdown", cli_commands.crash, _node),
    Command("start", "give a machine power and wait until it answers", cli_commands.start, _node),
    Command("cut", "take a machine's networks away", cli_commands.cut, _node, _CUT),
    Command("fault", "make something go wrong, and heal it", cli_fault.fault, cli_fault.arguments, _FAULT),
    Command("heal", "give a machine its networks back, or heal all faults", cli_fault.heal, _heal, _HEAL),
    Command("logs", "a machine's journal or console", cli_commands.logs, _logs, _LOGS),
    Command(
        "inventory",
        "the machines as Ansible's dynamic inventory",
        cli_inventory.inventory,
        cli_inventory.arguments,
        cli_inventory.TEXT,
    ),
    Command("reset", "bring every machine back to its first boot", cli_commands.reset, _nothing),
    Command("down", "remove the lab", cli_commands.down, _nothing, _DOWN),
    Command("report", "what failover has cost", cli_report.report, cli_report.arguments, _REPORT, root=False),
    Command("doctor", "can this host carry a lab, and how", cli_commands.doctor, _doctor, root=False),
    Command("box", "build, list and remove what machines are made of", None, _box, root=False),
)
