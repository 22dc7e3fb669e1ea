"""dockreg's command line."""

from __future__ import annotations

import argparse
import ipaddress
from typing import NoReturn

from dockerapi.client import DEFAULT_SOCKET, Docker
from dockreg.itself import own_name
from dockreg.sidekick import Instance, Sidekick, Times
from etcdv2.sync import Client
from program import Usage, log, parse_key, parse_port, run

NAME = "dockreg"
KEY = "service"
TIMES = Times()
HELP = f"""
Usage: dockreg --etcd URL,URL --port PORT [--key KEY] [--docker SOCKET] [--ip ADDRESS]

Runs in the container of an application and registers it in etcd while it answers.
Every {TIMES.interval:g} s it asks for http://127.0.0.1:PORT/. A whole answer within {TIMES.limit:g} s sets
/KEY/ADDRESS:PUBLISHED_PORT to "running" for {TIMES.ttl} s; none, or one of the 500s, removes that key, and so
does the end of this program (SIGTERM).

  --etcd URL,URL    etcd's endpoints, such as http://10.1.0.101:4001; one after the other is tried (required)
  --port PORT       the application's port inside the container (required)
  --key KEY         the directory of the keys (default: {KEY})
  --docker SOCKET   Docker's socket, which tells where PORT is published (default: {DEFAULT_SOCKET})
  --ip ADDRESS      the host's address to register (default: the one that PORT is published on, so that
                    `docker run -p 8000` needs this option and `docker run -p 10.1.0.101::8000` does not)

Until the application has answered once, it is asked every {TIMES.starting:g} s. Docker is asked until it has
told the port; while it is away, or does not publish the port, nothing is registered. While etcd is away the
key is left to its TTL, and what should be there is tried again and again. Each change is a line on stderr.
"""


def main(arguments: list[str], times: Times = TIMES) -> None:
    """Register until a signal, then take the registration back."""
    options = _parse(arguments)
    try:
        client = Client(str(options.etcd).split(","))
        instance = Instance(
            own_name(), parse_port(options.port), parse_key(options.key), _address(options.ip)
        )
    except ValueError as error:
        raise Usage(str(error)) from None
    log(f"watching port {instance.port} of container {instance.name[:12]}")
    sidekick = Sidekick(instance, Docker(options.docker), client, times)
    try:
        sidekick.serve()
    finally:
        sidekick.leave()


class _Parser(argparse.ArgumentParser):
    """Mistakes are one line, as in the other programs."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=NAME, add_help=False, allow_abbrev=False)
    parser.add_argument("--etcd", required=True)
    parser.add_argument("--port", required=True)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--docker", default=DEFAULT_SOCKET)
    parser.add_argument("--ip", default="")
    return parser.parse_args(arguments)


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"--ip: not an address: {text!r}") from None
    if address.is_unspecified:
        raise ValueError(f"--ip: {text} names no host; give the host's own address")
    return str(address)


def command() -> None:
    """The program."""
    run(NAME, HELP, main)


if __name__ == "__main__":
    command()
