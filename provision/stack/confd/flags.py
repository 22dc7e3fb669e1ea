"""confd's flags, and the way Go's package flag reads a command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from confd import gotext


class Flag(NamedTuple):
    """A flag; its default is also its type: bool, int, str, or () for one that may be repeated.

    `key` is its name in the configuration file, where anything but `key` is unknown.
    """

    name: str
    default: bool | int | str | tuple[str, ...]
    key: str
    usage: str

    @property
    def field(self) -> str:
        """Its name as an attribute."""
        return self.name.replace("-", "_")


FLAGS = (
    Flag("app-id", "", "app_id", "for the backend vault, which is not built in"),
    Flag("auth-token", "", "auth_token", "for the backend vault, which is not built in"),
    Flag("auth-type", "", "auth_type", "for the backend vault, which is not built in"),
    Flag("backend", "etcd", "backend", "where values come from: etcd, env or file"),
    Flag("basic-auth", False, "basic_auth", "send -username and -password to etcd"),
    Flag(
        "client-ca-keys", "", "client_cakeys", "PEM `file` of the authorities that etcd's certificate needs"
    ),
    Flag("client-cert", "", "client_cert", "PEM `file` of the certificate to show to etcd"),
    Flag("client-insecure", False, "client_insecure", "take any certificate of etcd's"),
    Flag("client-key", "", "client_key", "PEM `file` of the key to -client-cert"),
    Flag("confdir", "/etc/confd", "confdir", "folder with conf.d and templates"),
    Flag(
        "config-file",
        "/etc/confd/confd.toml",
        "configfile",
        "configuration `file`; what it sets wins over flags",
    ),
    Flag(
        "file", (), "file", "a YAML or JSON file or a folder of them, for the backend file; may be repeated"
    ),
    Flag("filter", "*", "filter", "glob of the files to take from folders, for the backend file"),
    Flag("interval", 600, "interval", "seconds between two passes"),
    Flag("keep-stage-file", False, "keepstagefile", "leave staged files where they are"),
    Flag("log-level", "", "log-level", "panic, fatal, error, warn, info or debug; info if not given"),
    Flag("node", (), "nodes", "an etcd endpoint, http://HOST:PORT or HOST:PORT; may be repeated"),
    Flag("noop", False, "noop", "say what would change, and change nothing"),
    Flag("onetime", False, "onetime", "one pass, then exit"),
    Flag("password", "", "password", "the password of -basic-auth"),
    Flag("path", "", "path", "for the backend vault, which is not built in"),
    Flag("prefix", "", "prefix", "put before all keys, instead of a resource's own prefix"),
    Flag("role-id", "", "role_id", "for the backend vault, which is not built in"),
    Flag("scheme", "http", "scheme", "http or https, for nodes found by -srv-record"),
    Flag("secret-id", "", "secret_id", "for the backend vault, which is not built in"),
    Flag("secret-keyring", "", "secret_keyring", "for cget and its kin, which are not built in"),
    Flag("separator", "", "separator", "for the backend redis, which is not built in"),
    Flag("srv-domain", "", "srv_domain", "look for nodes in the SRV record _BACKEND._tcp.`DOMAIN`."),
    Flag("srv-record", "", "srv_record", "look for nodes in this SRV `record`"),
    Flag("sync-only", False, "sync-only", "run neither check_cmd nor reload_cmd"),
    Flag("table", "", "table", "for the backend dynamodb, which is not built in"),
    Flag("user-id", "", "user_id", "for the backend vault, which is not built in"),
    Flag("username", "", "username", "the user of -basic-auth"),
    Flag("version", False, "printversion", "print the version and exit"),
    Flag("watch", False, "watch", "follow changes as they happen, instead of by -interval"),
)


class Mistake(ValueError):
    """The command line cannot be read, or asks for help (then the text is empty)."""


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """Every flag's value by its field. Flags end at `--` or the first plain word. Raises Mistake."""
    known = {flag.name: flag for flag in FLAGS}
    values: dict[str, Any] = {flag.field: flag.default for flag in FLAGS}
    rest = list(arguments)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, raw = word.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise Mistake(f"bad flag syntax: {word}")
        flag = known.get(name)
        if flag is None:
            raise Mistake("" if name in ("h", "help") else f"flag provided but not defined: -{name}")
        if not equals and isinstance(flag.default, bool):
            raw = "true"
        elif not equals:
            if not rest:
                raise Mistake(f"flag needs an argument: -{name}")
            raw = rest.pop(0)
        values[flag.field] = _read(flag, raw, values[flag.field])
    return values


def usage() -> str:
    """What the flags are, laid out as Go does it."""
    return "Usage of confd:\n" + "".join(_describe(flag) for flag in FLAGS)


def _read(flag: Flag, raw: str, before: Any) -> Any:
    try:
        if isinstance(flag.default, bool):
            return gotext.parse_bool(raw)
        if isinstance(flag.default, int):
            return gotext.parse_int(raw)
    except ValueError as error:
        kind = "boolean value" if isinstance(flag.default, bool) else "value"
        link = "for" if isinstance(flag.default, bool) else "for flag"
        raise Mistake(f'invalid {kind} "{raw}" {link} -{flag.name}: {error}') from None
    return (*before, raw) if isinstance(flag.default, tuple) else raw


def _describe(flag: Flag) -> str:
    before, tick, rest = flag.usage.partition("`")
    named, _tick, after = rest.partition("`")
    kind = named if tick else {bool: "", int: "int", str: "string", tuple: "value"}[type(flag.default)]
    shown = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default)
    default = f" (default {shown})" if flag.default else ""
    return f"  -{flag.name}{' ' if kind else ''}{kind}\n    \t{before}{named}{after}{default}\n"
