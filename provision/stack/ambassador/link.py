"""Where etcd is, as Docker's link under the alias `etcd` tells a container."""

from __future__ import annotations

from collections.abc import Mapping

from program import Usage, parse_key, parse_port

ALIAS = "etcd"
PREFIX = "ETCD_PORT_10000_TCP"


def endpoints(environment: Mapping[str, str], hosts: str = "") -> list[str]:
    """The endpoints to try: the link's address, then its name if `hosts` (/etc/hosts) has it.

    The environment is that of the container's start; Docker mends /etc/hosts when the ambassador comes back
    with another address. A name that is not in it is left out: a name server might be asked, and not answer.
    """
    address, port = environment.get(f"{PREFIX}_ADDR", ""), environment.get(f"{PREFIX}_PORT", "")
    if not address or not port:
        raise Usage(f"{PREFIX}_ADDR and {PREFIX}_PORT are not set: run it with --link AMBASSADOR:{ALIAS}")
    try:
        parse_port(port)
    except ValueError as error:
        raise Usage(f"{PREFIX}_PORT: {error}") from None
    found = [f"{address}:{port}"]
    if any(ALIAS in line.partition("#")[0].split()[1:] for line in hosts.splitlines()):
        found.append(f"{ALIAS}:{port}")
    return found


def service_key(name: str) -> str:
    """The directory of a service's providers: /services/NAME."""
    try:
        return f"/services{parse_key(name)}"
    except ValueError as error:
        raise Usage(str(error)) from None
