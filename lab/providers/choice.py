"""Which provider a lab gets, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import kvm
from lab.providers.base import LabContext, Provider

KINDS = ("nspawn", "libvirt")


@dataclass(frozen=True)
class Choice:
    """A provider's name, the reason that is shown to the user, and whether it may use KVM."""

    name: str
    reason: str
    kvm: bool


def pick(wanted: str, kernel: Path) -> Choice:
    """The provider asked for, or for `auto` libvirt where KVM boots `kernel`, else nspawn."""
    if wanted == "nspawn":
        return Choice("nspawn", "asked for", kvm=False)
    works, reason = kvm.works(kernel)
    if wanted == "libvirt":
        how = "with KVM" if works else f"in software emulation: {reason}"
        return Choice("libvirt", f"asked for, {how}", kvm=works)
    if works:
        return Choice("libvirt", f"KVM works here: {reason}", kvm=True)
    return Choice("nspawn", reason, kvm=False)


def make(kind: str, context: LabContext, *, kvm: bool) -> Provider:
    """The provider itself; each is imported only where it is used."""
    if kind == "libvirt":
        from lab.providers.vagrant import VagrantLibvirt

        return VagrantLibvirt(context, kvm=kvm)
    from lab.providers.nspawn import Nspawn

    return Nspawn(context)
