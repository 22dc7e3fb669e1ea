"""skydns, the command: settings, sockets, etcd, and an end by signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

from etcdv2.aio import Client
from etcdv2.follow import follow
from etcdv2.model import EtcdError, Unavailable
from skydns import VERSION
from skydns.config import OPTIONS, Config, ConfigError, checked, load, overlay
from skydns.responder import Responder
from skydns.server import Server, listen
from skydns.upstream import Upstream, without_ourselves

log = logging.getLogger("skydns")
FIRST_SYSTEMD_SOCKET = 3
RESOLV_CONF = Path("/etc/resolv.conf")
LOAD_WITHIN = 2.0  # seconds for the first reading; then questions are answered as while etcd is away
REFUSED = ("dnssec", "etcd3", "tls-verify")  # flags of the original that this one has not
HELP = """Usage: skydns [-FLAG VALUE ...]

Answers DNS questions for one domain from the keys of etcd below /skydns, and passes on those for others.

Flags, each also a variable:
{options}
  -version, -help

The JSON at /skydns/config in etcd wins over both. Ends on SIGTERM."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        flags = _flags(words)
        if "help" in flags:
            print(_help())
            return 0
        if "version" in flags:
            print(VERSION)
            return 0
        text = RESOLV_CONF.read_text(errors="replace") if RESOLV_CONF.exists() else ""
        config = load(os.environ, flags, text)
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="skydns: %(message)s")
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        return asyncio.run(_serve(config))
    except (ConfigError, OSError) as error:
        print(f"skydns: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1


async def _serve(config: Config) -> int:
    credentials = (config.username, config.password) if config.username else None
    try:
        client = Client(config.machines, timeout=config.rtimeout, tls=_tls(config), credentials=credentials)
    except ValueError as error:
        raise ConfigError(f"machines: {error}") from None
    config = await _remote(config, client)
    sockets = _inherited() if config.systemd else listen(config.listen)
    servers = without_ourselves(config.nameservers, config.listen)
    if len(servers) < len(config.nameservers):
        log.warning("a nameserver is this server itself, and is not asked")
    responder = Responder(config, client, Upstream(servers, config.rtimeout, config.ns_rotate))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    key = "/" + config.path_prefix.strip("/")
    following = asyncio.ensure_future(follow(client, key, responder, log))
    server = Server(responder, config.rtimeout)
    try:
        try:
            await asyncio.wait_for(responder.loaded.wait(), LOAD_WITHIN)
        except asyncio.TimeoutError:
            log.warning("etcd does not answer yet")
        await server.start(sockets)
        for sock in sockets:
            protocol = "udp" if sock.type == socket.SOCK_DGRAM else "tcp"
            host, port = sock.getsockname()[:2]
            place = f"{protocol}://{host}:{port}"
            log.info("ready for queries on %s for %s [rcache %d]", config.domain, place, config.rcache)
        stop = asyncio.ensure_future(ended.wait())
        await asyncio.wait((stop, following), return_when=asyncio.FIRST_COMPLETED)
        if not ended.is_set():
            following.result()
    finally:
        following.cancel()
        server.close()
        client.close()
    return 0


async def _remote(config: Config, client: Client) -> Config:
    """The settings with those that etcd has; without them if there are none, or no etcd."""
    key = f"/{config.path_prefix.strip('/')}/config"
    try:
        answer = await client.get(key)
    except (EtcdError, Unavailable) as error:
        log.info("falling back to default configuration, could not read from etcd: %s", error)
        return checked(config)
    return overlay(config, answer.node.value, f"etcd {key}")


def _inherited() -> list[socket.socket]:
    """The sockets that systemd passes."""
    count = os.environ.get("LISTEN_FDS", "0")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit() or count == "0":
        raise ConfigError(
            "systemd: no sockets were passed; start skydns by a socket unit, or without -systemd"
        )
    return [socket.socket(fileno=FIRST_SYSTEMD_SOCKET + number) for number in range(int(count))]


def _tls(config: Config) -> ssl.SSLContext | None:
    if not any(machine.startswith("https://") for machine in config.machines):
        return None
    context = ssl.create_default_context(cafile=config.ca_cert or None)
    if config.tls_pem:
        context.load_cert_chain(config.tls_pem, config.tls_key or None)
    return context


def _flags(words: list[str]) -> dict[str, str]:
    """Flags as Go reads them: -name value, -name=value, --name; booleans need no value."""
    known = {option.flag: option for option in OPTIONS}
    flags: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, raw = word.removeprefix("-").removeprefix("-").partition("=")
        if not word.startswith("-") or not name:
            raise ConfigError(f"unexpected argument {word!r}; see skydns -help")
        if name in ("help", "h", "version"):
            return {"version" if name == "version" else "help": "true"}
        if name in REFUSED:
            raise ConfigError(f"-{name} is not possible here; leave it out")
        if name not in known:
            raise ConfigError(f"unknown flag -{name}; see skydns -help")
        if not equals:
            switch = isinstance(getattr(Config, known[name].name), bool)
            if not switch and not rest:
                raise ConfigError(f"flag -{name} needs a value")
            raw = "true" if switch else rest.pop(0)
        flags[name] = raw
    return flags


def _help() -> str:
    lines = []
    for option in OPTIONS:
        default = getattr(Config, option.name)
        shown = "" if default in ("", ()) else f" (default {_shown(default)})"
        lines.append(f"  -{option.flag:<12} {option.variable:<20} {option.text}{shown}")
    return HELP.format(options="\n".join(lines))


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}s" if isinstance(default, float) else str(default)


if __name__ == "__main__":
    sys.exit(main())
