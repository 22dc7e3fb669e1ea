"""simple-amb HOST:PORT forwards whatever reaches its port 10000 to HOST:PORT."""

from __future__ import annotations

import os

from ambassador.address import Address, Resolver
from ambassador.forwarder import ANYWHERE, Forwarder
from program import Usage, log, parse_port, run

LISTEN_PORT = 10000
HELP = f"""
Usage: simple-amb HOST:PORT

Forwards each TCP connection to port {LISTEN_PORT} to HOST:PORT. A connection that HOST:PORT does not take is
closed at once; the next one is tried again. Ends on SIGTERM.

Environment:
  LISTEN_HOST, LISTEN_PORT  where to listen (default: all addresses, port {LISTEN_PORT})
"""


def main(arguments: list[str]) -> None:
    """Forward until a signal."""
    if len(arguments) != 1:
        raise Usage(f"one argument wanted, HOST:PORT, not {len(arguments)}")
    try:
        target = Address.parse(arguments[0])
    except ValueError as error:
        raise Usage(str(error)) from None
    try:
        port = parse_port(os.environ.get("LISTEN_PORT", str(LISTEN_PORT)))
    except ValueError as error:
        raise Usage(f"LISTEN_PORT: {error}") from None
    resolver = Resolver()

    def where() -> Address | None:
        host = resolver.numeric(target.host)
        if host is None:
            log(f"no address for {target.host}: connection closed")
            return None
        return Address(host, target.port)

    forwarder = Forwarder(port, where, os.environ.get("LISTEN_HOST", ANYWHERE))
    log(f"forwarding port {port} to {target}")
    forwarder.serve()


if __name__ == "__main__":
    run("simple-amb", HELP, main)
