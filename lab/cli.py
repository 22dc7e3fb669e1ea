"""The `lab` command: reads the command line, calls what does the work, gives errors a line and a code."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lab.cli_grammar import COMMANDS
from lab.errors import MachineError, UserError
from lab.interruption import ends_by
from lab.progress import Progress
from lab.suggest import did_you_mean
from lab.topology import NAME, Topology

USER_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130
SIGNALLED = 128  # and the number of the signal, as a shell says it
TOPOLOGY = Path("lab.yaml")
FLAGS = ("-q", "--quiet", "--json", "-h", "--help")  # of every command
COMMAND_BEHIND = {"run", "ssh"}  # what stands behind their machine is a command of that machine


class Parser(argparse.ArgumentParser):
    """argparse whose mistakes are one line, with a suggestion for a mistyped word."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` explains")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = str(action.metavar or action.dest).lower()
            raise UserError(f"no {what} {value!r}{did_you_mean(str(value), map(str, action.choices))}")


class Session:
    """One call of `lab`: its options, how it shows progress, and how it gives its result."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.json: bool = options.json
        style = "quiet" if options.quiet else "json" if options.json else None
        self.progress = Progress(style)  # type: ignore[arg-type]

    @property
    def lab(self) -> str:
        """The lab that is meant: --lab, LAB_NAME, or the name in ./lab.yaml."""
        named = str(self.options.lab or os.environ.get("LAB_NAME") or self.topology().name)
        if not re.match(NAME, named):  # it becomes part of a path, which `lab down` removes
            raise UserError(f"{named!r} is no lab's name: lower-case letters, digits and dashes")
        return named

    def topology(self) -> Topology:
        """--topology, or ./lab.yaml, or the default lab; with the name that was asked for."""
        from lab.topology import load, parse

        given = getattr(self.options, "topology", None)
        if given:
            topology = load(Path(given))
        else:
            topology = load(TOPOLOGY) if TOPOLOGY.exists() else parse("", str(TOPOLOGY))
        name = self.options.lab or os.environ.get("LAB_NAME")
        if not name:
            return topology
        return parse(json.dumps({**topology.model_dump(mode="json"), "name": name}), "--lab")

    def need_root(self) -> None:
        if os.geteuid() != 0:
            raise UserError("a lab belongs to root: run the same command with sudo")

    def result(self, document: object, lines: Iterable[str] = ()) -> None:
        """Give the result: the document with --json, else the lines."""
        if self.json:
            print(json.dumps(document, indent=1))
            return
        for line in lines:
            print(line)


def main(words: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    ends_by(signal.SIGTERM, _terminated)
    for number, problem in ((signal.SIGINT, lambda _: KeyboardInterrupt()), (signal.SIGHUP, _terminated)):
        if signal.getsignal(number) is not signal.SIG_IGN:  # in the background, or under nohup
            ends_by(number, problem)
    as_json = False
    try:
        options, unknown = parser().parse_known_args(options_first(words))
        as_json = options.json
        if unknown:
            said = "unrecognized arguments: " + " ".join(unknown)
            command = f"{options.command} {getattr(options, 'part', '')}".strip()
            raise UserError(f"{said}; `lab {command} --help` explains")
        if getattr(options, "root", True):
            Session(options).need_root()
        return int(options.call(Session(options)) or 0)
    except UserError as problem:
        _complain(problem, as_json)
        return USER_MISTAKE
    except MachineError as problem:
        _complain(problem, as_json)
        return FAILURE
    except KeyboardInterrupt as problem:
        _complain(problem, as_json, "interrupted")
        return INTERRUPTED
    except SystemExit as problem:
        if getattr(problem, "__notes__", ()):
            _complain(problem, as_json, "ended")
        raise
    except BrokenPipeError:  # `lab status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def parser() -> Parser:
    """The whole command line; each command adds its own part."""
    top = Parser(
        prog="lab",
        parents=[common()],
        description="Real machines, one etcd cluster and fleet, made and unmade on this host.",
        epilog="`lab COMMAND --help` says more. Exit codes: 0 done, 1 a machine failed, 2 yours to mend.",
        allow_abbrev=False,
    )
    top.set_defaults(quiet=False, json=False, lab="")
    commands = top.add_subparsers(metavar="COMMAND", dest="command", required=True, parser_class=Parser)
    for command in COMMANDS:
        add = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description or command.summary,
            parents=[common()],
            allow_abbrev=False,
        )
        command.arguments(add)
        add.set_defaults(root=command.root)
        if command.call is not None:
            add.set_defaults(call=command.call)
    return top


def options_first(words: Sequence[str]) -> list[str]:
    """The words with the common options before the machine: those of `lab run MACHINE --lab NAME -- CMD`.

    argparse would take all that stands behind the machine for the command.
    """
    rest = list(words)
    before: list[str] = []
    for _ in ("the command", "its machine"):
        before += _take_options(rest)
        if not rest or (len(before) and rest[0] == "--"):
            return [*words]
        before.append(rest.pop(0))
    if not COMMAND_BEHIND & set(before[:-1]):
        return [*words]
    return [*before[:-1], *_take_options(rest), before[-1], *rest]


def _take_options(rest: list[str]) -> list[str]:
    """Take common options from the front of the words."""
    taken: list[str] = []
    while rest and (rest[0] in FLAGS or rest[0].partition("=")[0] == "--lab"):
        taken.append(rest.pop(0))
        if taken[-1] == "--lab" and rest:
            taken.append(rest.pop(0))
    return taken


def common() -> Parser:
    """Options that may stand before and behind the command; made anew, as argparse shares defaults."""
    common = Parser(add_help=False)
    group = common.add_argument_group("common options")
    quiet = "say nothing but results and errors"
    as_json = "results as JSON on standard output, progress as JSON lines on standard error"
    which = "the lab (default: LAB_NAME, or `name` in ./lab.yaml)"
    group.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=quiet)
    group.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=as_json)
    group.add_argument("--lab", metavar="NAME", default=argparse.SUPPRESS, help=which)
    return common


def _complain(problem: BaseException, as_json: bool, said: str = "") -> None:
    """Say what went wrong, and what has been noted beside it: a fault that is not healed."""
    text = "; ".join([said or str(problem), *getattr(problem, "__notes__", ())])
    line = json.dumps({"event": "error", "text": text}) if as_json else f"lab: {text}"
    print(line, file=sys.stderr)


def _terminated(number: int) -> SystemExit:
    """Leaves through the same door as Ctrl-C, so that a half-made lab is removed."""
    return SystemExit(SIGNALLED + number)
