"""fleetctl, the client: finds the command, its flags and fleetd, and hands over."""

from __future__ import annotations

import os
import sys

from fleet import VERSION
from fleet.ctl import flags
from fleet.ctl.commands import COMMANDS, GLOBAL, command_usage, usage
from fleet.ctl.failure import ApiError, Failure, Unreachable, say
from fleet.ctl.flags import Flag, Values

_LOCAL = ("fd-forward", "verify")


def main(arguments: list[str] | None = None) -> int:
    """Run fleetctl; the exit code."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except Failure as failure:
        if failure.text:
            say(failure.text)
        return failure.code
    except (Unreachable, ApiError) as error:
        say(f"Error retrieving list of active machines from fleet API ({error})")
        say("Possible issues:")
        say("  etcd is unhealthy and/or lost quorum")
        say("  connection cannot be established to any etcd servers")
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130


def _main(words: list[str]) -> int:
    name = _command(words)
    if name is None:
        values = _values(GLOBAL)
        flags.parse(words, GLOBAL, values)
        print(f"fleetctl version {VERSION}" if values.on("version") else usage(), end="\n")
        return 0
    if name not in COMMANDS:
        from fleet.ctl.failure import suggestion

        say(f'Error: unknown command "{name}" for "fleetctl"' + suggestion(name, list(COMMANDS)))
        say("Run 'fleetctl --help' for usage.")
        return 1
    command = COMMANDS[name]
    known = (*GLOBAL, *command.flags)
    values = _values(known)
    plain = flags.parse(_without(words, name), known, values, rest_is_command=name == "ssh")
    if name == "version" or values.on("version"):
        print(f"fleetctl version {VERSION}")
        return 0
    if name == "help" or values.on("help"):
        about = plain[0] if name == "help" and plain else name
        print(command_usage(about) if about in COMMANDS and about != "help" else usage(), end="")
        return 0
    if "l" in values.given:
        values.set("full", "true" if values.on("l") else "false")
    return _run(name, values, plain)


def _run(name: str, values: Values, plain: list[str]) -> int:
    from importlib import import_module

    module, _, function = COMMANDS[name].function.partition(":")
    do = getattr(import_module(f"fleet.ctl.{module}"), function)
    if name == "verify":
        return int(do(plain))
    if name in _LOCAL:
        return int(do(values, plain))
    from fleet.ctl.client import Client, endpoint

    if values.text("driver").upper() != "API":
        raise Failure(f"Unrecognized driver {values.text('driver')}; only API is known")
    try:
        dial = endpoint(values.text("endpoint"))
    except ValueError as error:
        raise Failure(str(error)) from None
    if values.text("tunnel"):
        from fleet.ctl.remote import tunnel

        dial = lambda: tunnel(values)  # noqa: E731
    return int(do(Client(dial, values.number("request-timeout")), values, plain))


def _values(known: tuple[Flag, ...]) -> Values:
    """Defaults, and over them what the environment says of the global flags."""
    values = Values(known)
    for each in GLOBAL:
        raw = os.environ.get("FLEETCTL_" + each.name.upper().replace("-", "_"))
        if raw is not None and each.name not in ("help", "version"):
            values.set(each.name, raw)
    return values


def _command(words: list[str]) -> str | None:
    """The first word that is neither a global flag nor the value of one."""
    valued = {each.name for each in GLOBAL if not isinstance(each.default, bool)}
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word.lstrip("-") in valued
        else:
            return word
    return None


def _without(words: list[str], name: str) -> list[str]:
    """The words but for the command; it is the first that `_command` did not skip."""
    valued = {each.name for each in GLOBAL if not isinstance(each.default, bool)}
    skip = False
    for at, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word.lstrip("-") in valued
        elif word == name:
            return words[:at] + words[at + 1 :]
    return words


if __name__ == "__main__":
    sys.exit(main())
