"""SkyDNS's settings: defaults, then the environment, then flags, then the JSON at /skydns/config in etcd."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dns.exception
import dns.name

Address = tuple[str, int]


class ConfigError(Exception):
    """A setting cannot be used; the text says which, and how to mend it."""


@dataclass(frozen=True)
class Config:
    """What the server does. Times in seconds, but `ttl`, `min_ttl` and `rcache_ttl`, which are DNS's own."""

    domain: str = "skydns.local."
    addr: str = "127.0.0.1:53"
    nameservers: tuple[Address, ...] = ()
    machines: tuple[str, ...] = ("http://127.0.0.1:2379", "http://127.0.0.1:4001")
    path_prefix: str = "skydns"
    local: str = ""
    hostmaster: str = "hostmaster.skydns.local."
    no_rec: bool = False
    round_robin: bool = True
    ns_rotate: bool = True
    stubzones: bool = False
    stale: bool = False
    verbose: bool = False
    systemd: bool = False
    rtimeout: float = 2.0
    ndots: int = 2
    priority: int = 10
    ttl: int = 3600
    min_ttl: int = 60
    rcache: int = 0
    rcache_ttl: int = 60
    scache: int = 10000
    tls_key: str = ""
    tls_pem: str = ""
    ca_cert: str = ""
    username: str = ""
    password: str = ""
    zone: dns.name.Name = field(default=dns.name.root, compare=False)

    @property
    def listen(self) -> Address:
        """Where to listen."""
        return address(self.addr, 53, "addr")


@dataclass(frozen=True)
class Option:
    """A flag and the variable that stands for it; `text` is for --help."""

    flag: str
    variable: str
    text: str

    @property
    def name(self) -> str:
        return self.flag.replace("-", "_")


OPTIONS = (
    Option("addr", "SKYDNS_ADDR", "IP:PORT to listen on, UDP and TCP"),
    Option("domain", "SKYDNS_DOMAIN", "the domain whose records are in etcd"),
    Option("machines", "ETCD_MACHINES", "etcd's client URLs, with commas between them"),
    Option("nameservers", "SKYDNS_NAMESERVERS", "IP:PORT,... asked for other domains (/etc/resolv.conf's)"),
    Option("path-prefix", "SKYDNS_PATH_PREFIX", "the directory of etcd that holds the records"),
    Option("local", "SKYDNS_LOCAL", "the name that local.dns.DOMAIN stands for"),
    Option("hostmaster", "SKYDNS_HOSTMASTER", "the SOA's mail address, as a name"),
    Option("no-rec", "SKYDNS_NOREC", "do not ask others for other domains"),
    Option("round-robin", "SKYDNS_ROUND_ROBIN", "change the order of addresses from answer to answer"),
    Option("ns-rotate", "SKYDNS_NS_ROTATE", "ask the nameservers in changing order"),
    Option("stubzones", "SKYDNS_STUBZONES", "heed the stub zones below stub.dns.DOMAIN"),
    Option("stale", "SKYDNS_STALE", "while etcd is away, answer with the last known records (ours)"),
    Option("rtimeout", "SKYDNS_READ_TIMEOUT", "how long another server or a client may take, as 2s"),
    Option("ndots", "SKYDNS_NDOTS", "labels that a name needs to be asked for elsewhere"),
    Option("rcache", "SKYDNS_RCACHE", "how many answers of others are kept, 0 for none"),
    Option("rcache-ttl", "SKYDNS_RCACHE_TTL", "for how many seconds they are kept"),
    Option("scache", "SKYDNS_SCACHE", "how many of its own answers are kept ready"),
    Option("verbose", "SKYDNS_VERBOSE", "log each query that is not answered from what is ready"),
    Option("systemd", "SKYDNS_SYSTEMD", "listen on the sockets that systemd passes"),
    Option("tls-key", "ETCD_TLSKEY", "private key for etcd"),
    Option("tls-pem", "ETCD_TLSPEM", "certificate for etcd"),
    Option("ca-cert", "ETCD_CACERT", "authority that etcd's certificate is checked by"),
    Option("username", "ETCD_USERNAME", "user of etcd"),
    Option("password", "ETCD_PASSWORD", "that user's password"),
)
# What etcd may set: SkyDNS's own names, and ours for them.
_REMOTE = {
    "dns_addr": "addr",
    "ndot": "ndots",
    "read_timeout": "rtimeout",
    **{
        name: name
        for name in (
            *("domain", "local", "hostmaster", "round_robin", "ns_rotate", "nameservers", "no_rec"),
            *("priority", "ttl", "min_ttl", "scache", "rcache", "rcache_ttl", "systemd"),
        )
    },
}
_RANGES = {"ndots": (0, 127), "priority": (0, 0xFFFF), "scache": (0, 10**7), "rcache": (0, 10**7)}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


def load(environment: Mapping[str, str], flags: Mapping[str, str], resolv_conf: str = "") -> Config:
    """The settings before etcd is asked; raises ConfigError. `resolv_conf` names the default nameservers."""
    given: dict[str, Any] = {}
    for option in OPTIONS:
        for where, raw in (
            (option.variable, environment.get(option.variable, "")),
            ("-" + option.flag, flags.get(option.flag)),
        ):
            if raw:
                given[option.name] = _read(option.name, raw, where)
    given.setdefault("nameservers", from_resolv_conf(resolv_conf))
    return checked(replace(Config(), **given))


def overlay(config: Config, text: str, where: str) -> Config:
    """The settings with those of etcd over them; raises ConfigError that says `where` they are."""
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigError(f"{where}: not JSON") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: not a JSON object")
    given: dict[str, Any] = {}
    for key, content in document.items():
        name = _REMOTE.get(key.lower())
        if key.lower() == "dnssec" and content:
            raise ConfigError(f"{where}: dnssec is not possible here; remove it")
        if name is None or content is None:
            continue
        kind = type(getattr(Config, name))
        if name == "rtimeout" and type(content) is int:
            given[name] = content / 1e9  # nanoseconds, Go's own
        elif name == "nameservers" and isinstance(content, list):
            given[name] = _addresses([str(each) for each in content], f"{where}: {key}")
        elif type(content) is kind:
            given[name] = content
        else:
            raise ConfigError(f"{where}: {key}: {kind.__name__} wanted, not {content!r:.60}")
    return checked(replace(config, **given), where)


def checked(config: Config, where: str = "") -> Config:
    """The settings with `zone`, if they can be used; raises ConfigError otherwise."""
    lead = f"{where}: " if where else ""
    try:
        zone = dns.name.from_text(config.domain.lower())
        dns.name.from_text(config.hostmaster)
    except (dns.exception.DNSException, ValueError) as error:
        raise ConfigError(f"{lead}not a domain: {config.domain!r} ({error})") from None
    address(config.addr, 53, f"{lead}addr")
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(config, name) <= high:
            raise ConfigError(f"{lead}{name}: {low} to {high} wanted, not {getattr(config, name)}")
    for name in ("ttl", "min_ttl", "rcache_ttl"):
        if not 0 <= getattr(config, name) < 2**31:
            raise ConfigError(f"{lead}{name}: seconds wanted, not {getattr(config, name)}")
    if not 0 < config.rtimeout <= 60:
        raise ConfigError(f"{lead}rtimeout: up to a minute, and more than nothing, not {config.rtimeout:g} s")
    return replace(config, zone=zone, domain=zone.to_text())


def from_resolv_conf(text: str) -> tuple[Address, ...]:
    """The nameservers of a resolv.conf; lines that name none are passed over, as the resolver does."""
    found: list[Address] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1])
            except ValueError:
                continue
            found.append((words[1], 53))
    return tuple(found)


def address(text: str, port: int, what: str) -> Address:
    """Read IP:PORT, [IP]:PORT or IP; raises ConfigError that begins with `what`."""
    host, colon, number = text.strip().rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, number = text.strip(), str(port)
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"{what}: IP:PORT wanted, not {text!r}") from None
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
        raise ConfigError(f"{what}: a port from 1 to 65535 wanted, not {number!r}")
    return host, int(number)


def _read(name: str, raw: str, where: str) -> Any:
    default = getattr(Config, name)
    if name == "nameservers":
        return _addresses(raw.split(","), where)
    if name == "machines":
        machines = tuple(part.strip().rstrip("/") for part in raw.split(",") if part.strip())
        for url in machines:
            if not url.startswith(("http://", "https://")):
                raise ConfigError(f"{where}: http://HOST:PORT wanted, not {url!r}")
        return machines
    if name == "rtimeout":
        number = raw.rstrip("ms")
        try:
            return float(number) * _SECONDS[raw[len(number) :]]
        except (ValueError, KeyError):
            raise ConfigError(f"{where}: a time such as 2s wanted, not {raw!r}") from None
    if isinstance(default, bool):
        if raw.lower() not in ("1", "t", "true", "0", "f", "false"):
            raise ConfigError(f"{where}: true or false wanted, not {raw!r}")
        return raw.lower() in ("1", "t", "true")
    if isinstance(default, int):
        if not (raw.isascii() and raw.isdigit()):
            raise ConfigError(f"{where}: a number wanted, not {raw!r}")
        return int(raw)
    return raw


def _addresses(words: Sequence[str], where: str) -> tuple[Address, ...]:
    return tuple(address(word, 53, where) for word in words if word.strip())
