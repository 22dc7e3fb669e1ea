"""nginx-srv NAME FILE: keeps the servers of an Nginx upstream as the SRV records of NAME have them."""

from __future__ import annotations

import argparse
import ipaddress
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from nginxsrv.upstream import Target, render

ANSWER_WITHIN = 3.0  # seconds for a question, all servers and tries in it
COMMAND_WITHIN = 30.0
EVERY_MIN, EVERY_MAX = 0.2, 3600.0


class Refused(Exception):
    """Nginx does not take what the records say."""


@dataclass(frozen=True)
class Keeper:
    """One upstream file and what is done about it."""

    name: str
    file: Path
    check: str
    reload: str

    def keep(self, resolver: dns.resolver.Resolver) -> str:
        """Make the file true; says what it holds. Raises DNSException, OSError, Refused: then it stays."""
        found = targets(resolver, self.name)
        text = render(self.name, found)
        before = self.file.read_text() if self.file.exists() else None
        if text != before:
            _replace(self.file, text)
            if before is not None and self.check and not _run(self.check):
                _replace(self.file, before)
                raise Refused(f"`{self.check}` refuses what the records say")
            if self.reload and not _run(self.reload):
                raise Refused(f"`{self.reload}` failed")
        return ", ".join(f"{each.address}:{each.port}" for each in sorted(found)) or "no server"


def targets(resolver: dns.resolver.Resolver, name: str) -> set[Target]:
    """The targets of the SRV records of a name, none if there are none; raises DNSException."""
    try:
        answer = resolver.resolve(name, "SRV", lifetime=ANSWER_WITHIN)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return set()
    known: dict[dns.name.Name, list[str]] = {}
    for rrset in answer.response.additional:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            known.setdefault(rrset.name, []).extend(data.address for data in rrset)
    found: set[Target] = set()
    for record in answer:
        if record.target not in known:
            known[record.target] = _addresses(resolver, record.target)
        found.update(
            Target(record.priority, address, record.port, record.weight)
            for address in known[record.target]
            if record.port
        )
    return found


def _addresses(resolver: dns.resolver.Resolver, name: dns.name.Name) -> list[str]:
    try:
        return [data.address for data in resolver.resolve(name, "A", lifetime=ANSWER_WITHIN)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []


def main(arguments: list[str] | None = None) -> int:
    """Ask again and again until a signal, or once; the exit code."""
    options = _options(arguments)
    resolver = dns.resolver.Resolver(configure=not options.server)
    resolver.cache = None
    if options.server:
        resolver.nameservers = [options.server]
        resolver.port = options.port
    keeper = Keeper(options.name, options.file, options.check, options.reload)
    said = ""
    while True:
        code = 0
        try:
            told = keeper.keep(resolver)
        except (dns.exception.DNSException, OSError, Refused) as problem:
            # the last known servers stay: a name server's trouble is not theirs
            told, code = f"left as it is: {problem}", 1
        if told != said:
            print(f"nginx-srv: {options.name}: {told}", file=sys.stderr, flush=True)
        said = told
        if options.once:
            return code
        time.sleep(options.every)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nginx-srv", description=__doc__, allow_abbrev=False)
    parser.add_argument("name", metavar="NAME", type=_name, help="whose SRV records count")
    parser.add_argument("file", metavar="FILE", type=Path, help="what the upstream of Nginx includes")
    parser.add_argument("--server", type=_address, help="name server (/etc/resolv.conf's)")
    parser.add_argument("--port", type=int, default=53, help="its port (default %(default)s)")
    parser.add_argument("--every", type=_every, default=1.0, help="seconds between two questions (1)")
    parser.add_argument("--check", default="nginx -t -q", help="command that must accept it (%(default)s)")
    parser.add_argument("--reload", default="nginx -s reload", help="command after a change (%(default)s)")
    parser.add_argument(
        "--once", action="store_true", help="ask once, and say by the exit code if it went well"
    )
    return parser.parse_args(arguments)


def _name(text: str) -> str:
    try:
        return dns.name.from_text(text).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise argparse.ArgumentTypeError(f"not a name: {text!r} ({error})") from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an address: {text!r}") from None


def _every(text: str) -> float:
    try:
        every = float(text)
    except ValueError:
        every = 0.0
    if not EVERY_MIN <= every <= EVERY_MAX:
        raise argparse.ArgumentTypeError(f"{EVERY_MIN} to {EVERY_MAX:.0f} seconds wanted, not {text!r}")
    return every


def _replace(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text)
    part.replace(file)


def _run(command: str) -> bool:
    try:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=COMMAND_WITHIN)
    except subprocess.TimeoutExpired:
        print(f"nginx-srv: `{command}` was not done after {COMMAND_WITHIN:.0f} s", file=sys.stderr)
        return False
    if done.returncode:
        print(f"nginx-srv: `{command}`: {done.stderr.strip()[-500:]}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
