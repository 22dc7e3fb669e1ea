"""Which provider a lab gets, and why."""

from __future__ import annotations

from dataclasses import dataclass

from lab.providers.base import LabContext, Provider

KINDS = ("nspawn", "libvirt")


@dataclass(frozen=True)
class Choice:
    """A provider's name and the reason that is shown to the user."""

    name: str
    reason: str


def pick(wanted: str) -> Choice:
    """The provider for `auto`, or the one asked for: libvirt where KVM works, else nspawn."""
    from lab import kvm

    if wanted == "nspawn":
        return Choice("nspawn", "asked for")
    works, reason = kvm.works()
    if wanted == "libvirt":
        return Choice("libvirt", "asked for" + ("" if works else f"; in software emulation, since {reason}"))
    if works:
        return Choice("libvirt", "KVM works here")
    return Choice("nspawn", f"{reason}")


def make(kind: str, context: LabContext) -> Provider:
    """The provider itself; each is imported only where it is used."""
    if kind == "libvirt":
        from lab.providers.vagrant import Libvirt

        return Libvirt(context)
    from lab.providers.nspawn import Nspawn

    return Nspawn(context)
