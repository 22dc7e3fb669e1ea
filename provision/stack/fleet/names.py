"""Unit names: what a name may look like, templates and their instances, shell patterns."""

from __future__ import annotations

from typing import NamedTuple

LENGTH_MAX = 256
TYPES = frozenset(
    ("automount", "busname", "device", "mount", "path", "scope", "service", "slice", "snapshot")
    + ("socket", "swap", "target", "timer")
)
TEMPLATE_TYPES = frozenset(("path", "service", "socket", "target", "timer"))
# fleetctl takes only these as a suffix; to any other name it appends `.service`.
SUFFIXES = (".service", ".socket", ".timer", ".path", ".device", ".mount", ".automount")
_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@")


class Name(NamedTuple):
    """The parts of a unit's name; for `web@1.service` prefix `web`, instance `1`, template `web@.service`."""

    full: str
    stem: str
    prefix: str
    instance: str | None
    template: str | None

    @property
    def is_template(self) -> bool:
        return self.template is not None and self.instance == ""

    @property
    def is_instance(self) -> bool:
        return bool(self.instance)


def split(full: str) -> Name:
    """Take a unit's name apart; a name without a suffix is all stem."""
    stem, _, kind = full.rpartition(".")
    if not stem:
        stem, kind = full, ""
    prefix, at, instance = stem.partition("@")
    if not at:
        return Name(full, stem, prefix, None, None)
    return Name(full, stem, prefix, instance, f"{prefix}@.{kind}")


def complete(argument: str) -> str:
    """The unit that an argument of fleetctl means: its base name, with `.service` if it has no suffix."""
    base = argument.rstrip("/").rpartition("/")[2]
    return base if base.endswith(SUFFIXES) else base + ".service"


def problem(full: str) -> str | None:
    """Why this is no unit name, or None."""
    if not full:
        return "unit name cannot be empty"
    if len(full) > LENGTH_MAX:
        return f"unit name exceeds maximum length ({LENGTH_MAX})"
    stem, dot, kind = full.rpartition(".")
    if not dot:
        return 'unit name must contain "."'
    if kind not in TYPES:
        return f'invalid unit type in "{full}"' if kind else 'unit name cannot end in "."'
    for character in full:
        if character not in _CHARACTERS:
            return f'invalid character "{character}" in unit name'
    if stem.startswith("@") or not stem:
        return "unit name cannot start with @" if stem else 'unit name cannot start with "."'
    if "@" in stem and kind not in TEMPLATE_TYPES:
        return f'unit type "{kind}" cannot be used with "@"'
    return None
