"""Power and links of virtual machines, through libvirt's own API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from xml.etree import ElementTree

from lab.errors import MachineError
from lab.providers.base import State
from lab.providers.libvirtd import api

FAULTY_BRIDGES = ("private", "public")  # the control network is the harness's own and never cut


def state(connection: Any, name: str) -> State:
    with _named(name) as libvirt:
        try:
            return "running" if connection.lookupByName(name).isActive() else "off"
        except libvirt.libvirtError as problem:
            if problem.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return "absent"
            raise


def power_off(connection: Any, name: str) -> None:
    """Take the power away; nothing happens to a machine that is off."""
    with _named(name) as libvirt:
        domain = connection.lookupByName(name)
        try:
            domain.destroy()
        except libvirt.libvirtError as problem:
            if problem.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise


def power_on(connection: Any, name: str) -> None:
    """Start a machine; nothing happens to one that runs."""
    with _named(name) as libvirt:
        domain = connection.lookupByName(name)
        if domain.isActive():
            return
        described = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        if (kept := with_lasting_console(described)) != described:
            domain = connection.defineXML(kept)
        domain.create()


def set_command_line(connection: Any, name: str, line: str) -> None:
    """What the machine's kernel is told from its next start on: its identity may be another by then."""
    with _named(name) as libvirt:
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        described = connection.lookupByName(name).XMLDesc(flags)
        if (changed := with_command_line(described, line)) != described:
            connection.defineXML(changed)


def pause(connection: Any, name: str) -> None:
    """Stop a machine's processors; nothing happens to one that is stopped already."""
    with _named(name) as libvirt:
        domain = connection.lookupByName(name)
        if domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
            domain.suspend()


def resume(connection: Any, name: str) -> None:
    """Let a machine's processors go on; nothing happens to one that is not stopped."""
    with _named(name) as libvirt:
        domain = connection.lookupByName(name)
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            domain.resume()


def ports(connection: Any, name: str) -> dict[str, str]:
    """The machine's ports on the bridges, by the bridge's name; {} while it is off."""
    with _named(name):
        domain = connection.lookupByName(name)
        return ports_of(domain.XMLDesc(0)) if domain.isActive() else {}


def ports_of(description: str) -> dict[str, str]:
    """The ports that libvirt has made for a machine that runs, read from its description."""
    found = {}
    for interface in ElementTree.fromstring(description).iterfind("devices/interface"):
        source, target = interface.find("source"), interface.find("target")
        if source is not None and target is not None:
            found[source.get("bridge", "")] = target.get("dev", "")
    return found


def links(connection: Any, name: str, to: Literal["up", "down"]) -> None:
    """Plug or unplug the private and the public network; it stays so over a loss of power."""
    with _named(name) as libvirt:
        domain = connection.lookupByName(name)
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        if domain.isActive():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        for interface in with_links(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), to):
            domain.updateDeviceFlags(interface, flags)


def with_links(description: str, to: Literal["up", "down"]) -> list[str]:
    """The machine's interfaces on bridges that a fault may cut, with their link set."""
    found = []
    for interface in ElementTree.fromstring(description).iterfind("devices/interface"):
        source = interface.find("source")
        if source is None or source.get("bridge") not in FAULTY_BRIDGES:
            continue
        link = interface.find("link")
        if link is None:
            link = ElementTree.SubElement(interface, "link")
        link.set("state", to)
        found.append(ElementTree.tostring(interface, encoding="unicode"))
    return found


def with_command_line(description: str, line: str) -> str:
    """The description with another command line of the kernel."""
    domain = ElementTree.fromstring(description)
    command = domain.find("os/cmdline")
    if command is None or command.text == line:
        return description
    command.text = line
    return ElementTree.tostring(domain, encoding="unicode")


def with_lasting_console(description: str) -> str:
    """The description with a console log that is appended to: Vagrant leaves it to be emptied."""
    domain = ElementTree.fromstring(description)
    changed = False
    for source in [*domain.iterfind("devices/serial/source"), *domain.iterfind("devices/console/source")]:
        if source.get("path") and source.get("append") != "on":
            source.set("append", "on")
            changed = True
    return ElementTree.tostring(domain, encoding="unicode") if changed else description


@contextmanager
def _named(name: str) -> Iterator[Any]:
    """Turn libvirt's errors into ours, which name the machine; gives libvirt's module."""
    libvirt = api()
    try:
        yield libvirt
    except libvirt.libvirtError as problem:
        raise MachineError(f"{name}: libvirt: {problem}") from None
