"""What SkyDNS says to a question: which records, with what TTL, and with which code; no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dns.flags
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from skydns import special
from skydns.config import Config
from skydns.records import Record, make
from skydns.reply import Outside, Question, Reply, merged, select
from skydns.service import Path, Service, path_of
from skydns.tree import Missing, Tree

A, AAAA, CNAME, MX, NS = (getattr(RdataType, kind) for kind in ("A", "AAAA", "CNAME", "MX", "NS"))
PTR, SOA, SRV, TXT, ANY = (getattr(RdataType, kind) for kind in ("PTR", "SOA", "SRV", "TXT", "ANY"))
CHAIN_MAX = 8  # CNAMEs in one answer
MERGED = 100  # weights of one priority add up to this
_REVERSE = (dns.name.from_text("in-addr.arpa."), dns.name.from_text("ip6.arpa."))


class Away(Exception):
    """etcd does not answer, and what it said before does not count."""


@dataclass
class _Look:
    """What one answer has touched."""

    external: Mapping[Outside, Sequence[Record]]
    outside: set[Outside] = field(default_factory=set)
    services: list[Service] = field(default_factory=list)


class Answers:
    """The answers of one tree. `say` takes a line for the log; `now` is the tree's monotonic clock."""

    def __init__(
        self,
        config: Config,
        tree: Tree,
        now: Callable[[], float],
        say: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._tree = tree
        self._now = now
        self._say = say
        self._wall = wall
        self._zone = config.zone
        dns_ = dns.name.Name((b"dns", *self._zone.labels))
        self._ns_name = dns.name.Name((b"ns", *dns_.labels))
        self._local_name = dns.name.Name((b"local", *dns_.labels))
        self.away = True  # until the first reading
        self.alone = False  # nobody tells which keys have gone: those whose time has passed have

    def to(self, question: Question, external: Mapping[Outside, Sequence[Record]] | None = None) -> Reply:
        """The reply. `external` holds what other servers said about the `outside` of an earlier reply."""
        if question.chaos:
            return special.chaos(question, self._zone)
        if question.kind == ANY:
            return Reply(dns.rcode.REFUSED, flags=dns.flags.Flag(0), good_for=special.HOUR)
        look = _Look(external or {})
        name = question.name
        if name == self._local_name and self._config.local:
            name = dns.name.from_text(self._config.local)
        if question.kind == PTR and any(name.is_subdomain(zone) for zone in _REVERSE):
            return self._finish(self._pointer(question, name, look), look)
        if not question.name.is_subdomain(self._zone):
            return Reply(forward=True)
        try:
            answer, additional = self._by_type(question, path_of(name), look)
        except Missing:
            return self._negative(dns.rcode.NXDOMAIN, dns.flags.Flag(0))
        except Away:
            if question.kind == SRV:
                return Reply(dns.rcode.SERVFAIL, flags=dns.flags.RA, good_for=0)
            return replace(self._negative(), good_for=0)
        if not answer:
            return self._finish(self._negative(), look)
        # aliases first: they lead to the addresses, which may then come in any order
        records = sorted(merged(answer), key=lambda record: record.data.rdtype != CNAME)
        if len(records) > 1:
            least = min(self._config.ttl, *(record.ttl for record in records))
            records = [replace(record, ttl=least) for record in records]
        return self._finish(Reply(answer=tuple(records), additional=tuple(merged(additional))), look)

    def stub_zones(self) -> dict[dns.name.Name, list[tuple[str, int]]]:
        """The servers of the zones that are announced below stub.dns.DOMAIN."""
        start = (*path_of(self._zone), "dns", "stub")
        zones: dict[dns.name.Name, list[tuple[str, int]]] = {}
        try:
            services = self._tree.find(start)
        except Missing:
            return zones
        for service in services:
            labels = service.path[len(start) : -1]
            if service.address is not None and labels:
                zone = dns.name.Name([label.encode() for label in reversed(labels)] + [b""])
                zones.setdefault(zone, []).append((service.host, service.port or 53))
        return zones

    def _by_type(self, question: Question, path: Path, look: _Look) -> tuple[list[Record], list[Record]]:
        name, kind = question.name, question.kind
        if name == self._zone and kind == SOA:
            return [special.soa(self._config, self._wall())], []
        if kind == NS:
            return self._name_servers(look) if name == self._zone else ([], [])
        if kind in (A, AAAA):
            return self._addresses(name, path, (kind,), (), look), []
        services = self._services(path, look)
        if kind == SRV:
            return self._servers(name, services, look)
        if kind == MX:
            return self._mail(name, [each for each in services if each.mail], look)
        if kind == TXT:
            return [self._record(name, each, TXT, each.text) for each in services if each.text], []
        exact = len(services) == 1 and services[0].path == path
        if kind == CNAME and exact and services[0].host and services[0].address is None:
            return [self._record(name, services[0], CNAME, services[0].target)], []
        return [], []

    def _services(self, path: Path, look: _Look) -> list[Service]:
        """The services of a key: each once, and of one group. Raises Missing, or Away."""
        if self.away:
            raise Away
        found = self._tree.find(path)
        if self.alone:
            now = self._now()
            found = [each for each in found if each.expires is None or each.expires > now]
        found = select(found)
        look.services += found
        return found

    def _addresses(
        self,
        owner: dns.name.Name,
        path: Path,
        kinds: tuple[RdataType, ...],
        chain: tuple[tuple[dns.name.Name, dns.name.Name], ...],
        look: _Look,
    ) -> list[Record]:
        """Addresses of a key, by CNAMEs where its hosts are names; only those that lead somewhere."""
        records: list[Record] = []
        for service in self._services(path, look):
            if not service.host:
                continue
            if service.address is not None:
                kind = A if service.address.version == 4 else AAAA
                if kind in kinds:
                    records.append(self._record(owner, service, kind, str(service.address)))
                continue
            target = service.target
            if target == owner or (owner, target) in chain or len(chain) >= CHAIN_MAX:
                self._say(f"a CNAME of {owner} to {target} is left out: it leads in a circle, or too far")
                continue
            below: Sequence[Record]
            try:
                below = self._addresses(target, path_of(target), kinds, (*chain, (owner, target)), look)
            except Missing:
                below = [] if target.is_subdomain(self._zone) else self._asked(target, kinds, look)
            if any(record.data.rdtype in (A, AAAA) for record in below):
                records += [self._record(owner, service, CNAME, target), *below]
        return records

    def _asked(self, target: dns.name.Name, kinds: Iterable[RdataType], look: _Look) -> list[Record]:
        """What other servers say about a name outside; nothing as long as they have not been asked."""
        found: list[Record] = []
        for kind in kinds:
            if (target, kind) in look.external:
                # the CNAMEs come with the first kind already
                found += [
                    each for each in look.external[target, kind] if not found or each.data.rdtype != CNAME
                ]
            else:
                look.outside.add((target, kind))
        return found

    def _target(self, service: Service, look: _Look) -> tuple[dns.name.Name, list[Record]]:
        """The name that an SRV or MX record points to, and its addresses as far as they are known."""
        if service.address is not None:
            kind = A if service.address.version == 4 else AAAA
            return service.domain, [self._record(service.domain, service, kind, str(service.address))]
        target = service.target
        if not target.is_subdomain(self._zone):
            return target, self._asked(target, (A, AAAA), look)
        try:
            return target, self._addresses(target, path_of(target), (A, AAAA), (), look)
        except Missing:
            return target, []

    def _servers(
        self, name: dns.name.Name, services: Iterable[Service], look: _Look
    ) -> tuple[list[Record], list[Record]]:
        offered = [service for service in services if service.host]
        sums: dict[int, int] = {}
        for service in offered:
            priority = service.priority or self._config.priority
            sums[priority] = sums.get(priority, 0) + (service.weight or MERGED)
        records, additional = [], []
        for service in offered:
            priority = service.priority or self._config.priority
            weight = MERGED * (service.weight or MERGED) // sums[priority]
            target, addresses = self._target(service, look)
            records.append(self._record(name, service, SRV, priority, weight, service.port, target))
            additional += addresses
        return records, additional

    def _mail(
        self, name: dns.name.Name, services: Iterable[Service], look: _Look
    ) -> tuple[list[Record], list[Record]]:
        records, additional = [], []
        for service in services:
            if not service.host:
                continue
            target, addresses = self._target(service, look)
            preference = service.priority or self._config.priority
            records.append(self._record(name, service, MX, preference, target))
            additional += addresses
        return records, additional

    def _name_servers(self, look: _Look) -> tuple[list[Record], list[Record]]:
        records, additional = [], []
        for service in self._services(path_of(self._ns_name), look):
            if service.address is not None:
                target, addresses = self._target(service, look)
                records.append(self._record(self._zone, service, NS, target))
                additional += addresses
        return records, additional

    def _pointer(self, question: Question, name: dns.name.Name, look: _Look) -> Reply:
        """The name of an address, if there is just one key for it; else others are asked."""
        try:
            services = self._services(path_of(name), look)
        except (Missing, Away):
            return Reply(forward=True)
        if len(services) != 1 or services[0].address is not None or not services[0].host:
            return Reply(forward=True)
        record = self._record(question.name, services[0], PTR, services[0].target)
        return Reply(answer=(record,), flags=dns.flags.RA)

    def _negative(
        self,
        rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
        flags: dns.flags.Flag = dns.flags.AA | dns.flags.RA,
    ) -> Reply:
        """No such name, or no such record of it; true until the serial of the SOA changes."""
        now = self._wall()
        authority = (special.soa(self._config, now),)
        return Reply(rcode, authority=authority, flags=flags, good_for=special.HOUR - now % special.HOUR)

    def _finish(self, reply: Reply, look: _Look) -> Reply:
        """The reply with what it depends on: other servers, and the seconds that keys have left."""
        now = self._now()
        ends = [service.expires for service in look.services if service.expires is not None]
        good_for = reply.good_for
        for record in reply.answer:
            if record.data.rdtype == SOA:
                good_for = min(good_for, special.HOUR - self._wall() % special.HOUR)
        if ends:
            good_for = min(good_for, *(max(0.01, (end - now) % 1) for end in ends))
        overdue = frozenset(
            each.path for each in look.services if each.expires is not None and each.expires < now
        )
        return replace(reply, good_for=good_for, outside=frozenset(look.outside), overdue=overdue)

    def _record(self, owner: dns.name.Name, service: Service, kind: RdataType, *fields: object) -> Record:
        return Record(owner, service.seconds(self._now(), self._config.ttl), make(kind, *fields))
