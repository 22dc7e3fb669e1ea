"""fleetd's configuration: /etc/fleet/fleet.conf, over it the environment (FLEET_*), over it the flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fleet import duration

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class ConfigError(Exception):
    """One line that says where the mistake is and what would be right."""


@dataclass(frozen=True)
class Config:
    """What fleetd can be told; the names are those of the file."""

    verbosity: int = 0
    etcd_servers: tuple[str, ...] = ("http://127.0.0.1:2379", "http://127.0.0.1:4001")
    etcd_username: str = ""
    etcd_password: str = ""
    etcd_keyfile: str = ""
    etcd_certfile: str = ""
    etcd_cafile: str = ""
    etcd_key_prefix: str = "/_coreos.com/fleet/"
    etcd_request_timeout: float = 1.0
    engine_reconcile_interval: float = 2.0
    public_ip: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    agent_ttl: float = 30.0
    units_directory: str = "/run/fleet/units/"
    systemd_user: bool = False
    token_limit: int = 100
    enable_grpc: bool = False
    disable_engine: bool = False
    disable_watches: bool = False
    # Ours: a machine that cannot reach etcd for longer than agent_ttl stops its non-global units by itself.
    stop_when_cut_off: bool = False


def load(text: str, where: str, environment: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """The configuration from the file's text, the environment and the flags. Raises ConfigError."""
    config = Config()
    for place, key, value in _file(text, where):
        config = _set(config, place, key, value)
    known = {each.name for each in fields(Config)}
    for variable, value in sorted(environment.items()):
        key = variable[len("FLEET_") :].lower()
        if variable.startswith("FLEET_") and key in known:
            config = _set(config, f"environment {variable}", key, value)
    for key, value in flags.items():
        config = _set(config, f"flag --{key}", key, value)
    return config


def metadata(text: str) -> dict[str, str]:
    """`k=v,k=v`; pairs without `=` are left out, the last of a key holds."""
    pairs = (each.partition("=") for each in text.split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals and key.strip()}


def _file(text: str, where: str) -> Iterable[tuple[str, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;[":
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ConfigError(f"{where}:{number}: {line!r} is no `key=value`")
        yield f"{where}:{number}", key.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _set(config: Config, place: str, key: str, value: str) -> Config:
    read = _READERS.get(key)
    if read is None:
        near = _nearest(key)
        raise ConfigError(f"{place}: unknown option {key}" + (f"; did you mean {near}?" if near else ""))
    try:
        return replace(config, **{key: read(value)})
    except ValueError as error:
        raise ConfigError(f"{place}: {key}={value}: {error}") from None


def _nearest(key: str) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(key, list(_READERS), 1)
    return found[0] if found else None


def _boolean(value: str) -> bool:
    if value not in _BOOLEANS:
        raise ValueError("must be true or false")
    return _BOOLEANS[value]


def _count(value: str) -> int:
    if not value.isdigit():
        raise ValueError("must be a whole number, 0 or more")
    return int(value)


def _servers(value: str) -> tuple[str, ...]:
    inner = value.strip().removeprefix("[").removesuffix("]")
    servers = tuple(_unquoted(each.strip()).rstrip("/") for each in inner.split(",") if each.strip())
    for each in servers:
        scheme, separator, rest = each.partition("://")
        if scheme not in ("http", "https") or not separator or not rest:
            raise ValueError(f"{each!r} is no URL (http://HOST:PORT)")
    if not servers:
        raise ValueError("must name at least one etcd endpoint")
    return servers


def _seconds(value: str) -> float:
    try:
        found = duration.seconds(value)
    except ValueError:
        raise ValueError("must be a duration such as 30s or 1m30s") from None
    if found <= 0:
        raise ValueError("must be more than 0")
    return found


def _ttl(value: str) -> float:
    found = _seconds(value)
    if found < 1:
        raise ValueError("must be at least 1s, the smallest time that etcd keeps")
    return found


def _number(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        return _seconds(value)
    if not 0 < found < 3600:
        raise ValueError("must be a number of seconds, more than 0")
    return found


def _address(value: str) -> str:
    import ipaddress

    if value:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("must be an IP address") from None
    return value


_READERS: dict[str, Callable[[str], Any]] = {
    "verbosity": _count,
    "etcd_servers": _servers,
    "etcd_username": str,
    "etcd_password": str,
    "etcd_keyfile": str,
    "etcd_certfile": str,
    "etcd_cafile": str,
    "etcd_key_prefix": str,
    "etcd_request_timeout": _number,
    "engine_reconcile_interval": _number,
    "public_ip": _address,
    "metadata": metadata,
    "agent_ttl": _ttl,
    "units_directory": str,
    "systemd_user": _boolean,
    "token_limit": _count,
    "enable_grpc": _boolean,
    "disable_engine": _boolean,
    "disable_watches": _boolean,
    "stop_when_cut_off": _boolean,
}
