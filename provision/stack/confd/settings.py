"""Settings from flags, the configuration file and the environment, in the original's order of precedence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from confd import gopath, gotext, toml_table
from confd.flags import FLAGS
from confd.problem import Fatal

_ENVIRONMENT = {
    "client_ca_keys": "CONFD_CLIENT_CAKEYS",
    "client_cert": "CONFD_CLIENT_CERT",
    "client_key": "CONFD_CLIENT_KEY",
}


@dataclass(frozen=True)
class Settings:
    """What confd works by; a field is a flag's name with `_` for `-`."""

    backend: str = "etcd"
    basic_auth: bool = False
    client_ca_keys: str = ""
    client_cert: str = ""
    client_insecure: bool = False
    client_key: str = ""
    confdir: str = "/etc/confd"
    file: tuple[str, ...] = ()
    filter: str = "*"
    interval: int = 600
    keep_stage_file: bool = False
    log_level: str = ""
    node: tuple[str, ...] = ()
    noop: bool = False
    onetime: bool = False
    password: str = ""
    prefix: str = ""
    scheme: str = "http"
    secret_keyring: str = ""
    srv_domain: str = ""
    srv_record: str = ""
    sync_only: bool = False
    username: str = ""
    watch: bool = False

    @property
    def resource_folder(self) -> str:
        """Where template resources lie."""
        return gopath.join(self.confdir, "conf.d")

    @property
    def template_folder(self) -> str:
        """What `src` is relative to."""
        return gopath.join(self.confdir, "templates")


def load(given: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings, and warnings: the file's values win over the flags', the environment fills what is empty.

    `given` is what flags.parse returned. Raises Fatal for a file that cannot be used.
    """
    values = dict(given)
    from_file, warnings = _configuration(str(values["config_file"]))
    values |= from_file
    for field, variable in _ENVIRONMENT.items():
        values[field] = values[field] or environment.get(variable, "")
    if values["srv_domain"] and not values["srv_record"]:
        values["srv_record"] = f"_{values['backend']}._tcp.{values['srv_domain']}."
    return Settings(**{each.name: values[each.name] for each in fields(Settings)}), warnings


def nodes(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The nodes of the backend where no SRV record names them."""
    if settings.node or settings.backend != "etcd":
        return settings.node
    peers = environment.get("ETCDCTL_PEERS", "")
    return tuple(peers.split(",")) if peers else ("http://127.0.0.1:4001",)


def _configuration(path: str) -> tuple[dict[str, Any], list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, []
    except IsADirectoryError as error:
        raise Fatal(gotext.os_error(error, "read", path)) from None
    except OSError as error:
        raise Fatal(gotext.os_error(error, "open", path)) from None
    except ValueError:
        raise Fatal(f"{path}: not UTF-8") from None
    kinds = {flag.key: type(flag.default) for flag in FLAGS}
    try:
        values, unknown = toml_table.decode(toml_table.parse(text), kinds)
    except toml_table.BadToml as error:
        raise Fatal(f"{path}: {error}") from None
    field = {flag.key: flag.field for flag in FLAGS}
    # A template resource given as the configuration file, as one of the articles does: nothing in it is ours.
    warnings = [f'Unknown key "{name}" in {path}: ignored' for name in unknown if name != "template"]
    return {field[key]: value for key, value in values.items()}, warnings
