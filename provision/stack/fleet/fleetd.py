"""fleetd, the daemon: flags, signals, and a server from one configuration until the next."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from fleet import VERSION, activation, host, tls
from fleet.backend import Backend, UnitError
from fleet.config import Config, ConfigError, load
from fleet.server import Server
from fleet.systemd import Systemd, private_socket

DEFAULT_FILE = "/etc/fleet/fleet.conf"
USAGE = f"""fleetd {VERSION}: runs this machine's share of the cluster's units.

Usage: fleetd [--config FILE] [--OPTION VALUE ...]
  --config FILE   the configuration (default {DEFAULT_FILE}, which may be missing)
  --version, --help
Every option of the configuration is a flag too (--public_ip, --agent_ttl, ...) and a variable FLEET_<OPTION>.
The API listens where systemd says (fleet.socket); signals: TERM hands over and ends, HUP reloads, USR1 dumps.
"""
# For whom asks during a reload a moment is better than a refusal; fleetctl waits 3 s for an answer.
RELOADED_WITHIN = 2.0
log = logging.getLogger("fleet")
BackendFactory = Callable[[Config], Backend]


def main(arguments: list[str] | None = None, make_backend: BackendFactory | None = None) -> int:
    """Run fleetd; the exit code."""
    try:
        file, flags = _flags(sys.argv[1:] if arguments is None else arguments)
        if file is None:
            print(flags["text"], end="")
            return 0
        config = _configuration(file, flags)
        machine = host.machine_id(Path(os.environ.get("FLEET_MACHINE_ID_FILE", "/etc/machine-id")))
    except (ConfigError, OSError) as error:
        print(f"fleetd: {error}", file=sys.stderr)
        return 1
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if config.verbosity > 0 else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    make = make_backend or _systemd
    try:
        return asyncio.run(_run(config, lambda: _configuration(file, flags), machine, make))
    except UnitError as error:
        print(f"fleetd: {error}", file=sys.stderr)
        return 1


def _systemd(config: Config) -> Backend:
    return Systemd(Path(config.units_directory), private_socket(config.systemd_user))


async def _run(config: Config, read: Callable[[], Config], machine: str, make_backend: BackendFactory) -> int:
    sockets = activation.sockets(os.environ)
    loop = asyncio.get_running_loop()
    wishes: asyncio.Queue[str] = asyncio.Queue()
    for number, wish in (
        (signal.SIGTERM, "stop"),
        (signal.SIGINT, "stop"),
        (signal.SIGHUP, "reload"),
        (signal.SIGUSR1, "dump"),
    ):
        loop.add_signal_handler(number, wishes.put_nowait, wish)
    boot = host.boot_id()
    server = Server(config, machine, boot, make_backend(config))
    await server.start(sockets)
    activation.notify("READY=1")
    while True:
        wish = await _next(wishes, server)
        if wish == "dump":
            print(server.dump(), flush=True)
        elif wish == "reload":
            try:
                config = read()
            except (ConfigError, OSError) as error:
                log.error("not reloaded: %s", error)
                continue
            await server.leave()
            server = Server(config, machine, boot, make_backend(config))
            await server.start(sockets, RELOADED_WITHIN)
            log.info("reloaded")
        else:
            activation.notify("STOPPING=1")
            if wish == "stop":
                await server.drain()
                return 0
            await server.leave()  # a part of fleetd broke: systemd starts it again, the units run on
            return 1


async def _next(wishes: asyncio.Queue[str], server: Server) -> str:
    wish = asyncio.ensure_future(wishes.get())
    failure = asyncio.ensure_future(server.failed.wait())
    done, pending = await asyncio.wait((wish, failure), return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    return wish.result() if wish in done else "fail"


def _flags(arguments: list[str]) -> tuple[str | None, dict[str, str]]:
    """The configuration's file and the other flags; no file but a text if that is only to be printed."""
    file, flags = DEFAULT_FILE, {}
    explicit = False
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            raise ConfigError(f"unexpected argument {word!r}; see fleetd --help")
        name, equals, value = word.lstrip("-").partition("=")
        if name in ("help", "h"):
            return None, {"text": USAGE}
        if name == "version":
            return None, {"text": f"fleetd version {VERSION}\n"}
        if not equals:
            if not rest:
                raise ConfigError(f"flag --{name} needs a value")
            value = rest.pop(0)
        if name == "config":
            file, explicit = value, True
        else:
            flags[name] = value
    if explicit and not Path(file).is_file():
        raise ConfigError(f"no configuration file {file}")
    return file, flags


def _configuration(file: str | None, flags: dict[str, str]) -> Config:
    path = Path(file or DEFAULT_FILE)
    text = path.read_text() if path.is_file() else ""
    config = load(text, str(path), os.environ, flags)
    tls.context(config)  # a mistake in its files is told before anything is given up for them
    return config


if __name__ == "__main__":
    sys.exit(main())
