"""How fleetd proves itself to an etcd over TLS, and whose proof it takes (etcd_cafile and its like)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.config import Config, ConfigError

if TYPE_CHECKING:
    import ssl


def context(config: Config) -> ssl.SSLContext | None:
    """None if no endpoint is https. Raises ConfigError for files that cannot be used."""
    if not any(each.startswith("https:") for each in config.etcd_servers):
        return None
    import ssl  # slow to import, and few need it

    made = ssl.create_default_context()
    if config.etcd_cafile:
        try:
            made = ssl.create_default_context(cafile=config.etcd_cafile)
        except (OSError, ValueError) as error:
            raise ConfigError(f"etcd_cafile={config.etcd_cafile}: {_reason(error)}") from None
    if config.etcd_keyfile and not config.etcd_certfile:
        raise ConfigError("etcd_keyfile is of no use without etcd_certfile")
    if config.etcd_certfile:
        for name, path in (("etcd_certfile", config.etcd_certfile), ("etcd_keyfile", config.etcd_keyfile)):
            _require_readable(name, path)
        try:
            made.load_cert_chain(config.etcd_certfile, config.etcd_keyfile or None)
        except (OSError, ValueError) as error:
            files = f"etcd_certfile={config.etcd_certfile}, etcd_keyfile={config.etcd_keyfile}"
            raise ConfigError(f"{files}: {_reason(error)}") from None
    return made


def _require_readable(name: str, path: str) -> None:
    try:
        if path:
            open(path, "rb").close()  # noqa: PTH123
    except OSError as error:
        raise ConfigError(f"{name}={path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    plain = isinstance(error, OSError) and error.strerror
    return str(plain or error or type(error).__name__)
