"""The [X-Fleet] section: what a unit asks of the machine it is to run on."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fleet.names import Name, split
from fleet.unitfile import UnitFile

SECTION = "X-Fleet"
_SPELLINGS = {
    "MachineID": "MachineID",
    "MachineOf": "MachineOf",
    "MachineMetadata": "MachineMetadata",
    "Conflicts": "Conflicts",
    "Replaces": "Replaces",
    "Global": "Global",
    "X-ConditionMachineID": "MachineID",
    "X-ConditionMachineBootID": "MachineID",
    "X-ConditionMachineOf": "MachineOf",
    "X-ConditionMachineMetadata": "MachineMetadata",
    "X-Conflicts": "Conflicts",
}
_TRUE = frozenset(("true", "yes", "1", "on", "t"))


class Requirements(NamedTuple):
    """What [X-Fleet] says, specifiers replaced."""

    machine_id: str = ""
    peers: tuple[str, ...] = ()
    metadata: tuple[tuple[str, frozenset[str]], ...] = ()  # key: any of these values
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    is_global: bool = False


def read(name: str, unit: UnitFile) -> Requirements:
    """The requirements of the unit under this name."""
    found: dict[str, list[str]] = {}
    parts = split(name)
    for option in unit.options:
        key = _SPELLINGS.get(option.name) if option.section == SECTION else None
        if key:
            found.setdefault(key, []).extend(_expand(each, parts) for each in _words(option.value))
    metadata: dict[str, set[str]] = {}
    for pair in found.get("MachineMetadata", []):
        if pair.count("=") == 1:
            key, _, value = pair.partition("=")
            metadata.setdefault(key.strip(), set()).add(value.strip())
    identifiers = [each for each in found.get("MachineID", []) if each]
    return Requirements(
        machine_id=identifiers[0] if identifiers else "",
        peers=tuple(each for each in found.get("MachineOf", []) if each),
        metadata=tuple((key, frozenset(values)) for key, values in metadata.items()),
        conflicts=tuple(word for each in found.get("Conflicts", []) for word in each.split()),
        replaces=tuple(word for each in found.get("Replaces", []) for word in each.split()),
        is_global=_true(found.get("Global", [])),
    )


def after(name: str, unit: UnitFile) -> tuple[str, ...]:
    """The units that systemd starts before the unit under this name, specifiers replaced."""
    parts = split(name)
    return tuple(_expand(each, parts) for value in unit.values("Unit", "After") for each in value.split())


def unknown_options(unit: UnitFile) -> list[str]:
    """Names in [X-Fleet] that mean nothing to fleet: the client warns of them."""
    return [each.name for each in unit.options if each.section == SECTION and each.name not in _SPELLINGS]


def contradiction(wanted: Requirements) -> str | None:
    """Why these requirements cannot go together, or None; the texts are fleet's."""
    if wanted.machine_id:
        for label, given in (
            ("Peers", wanted.peers),
            ("Conflicts", wanted.conflicts),
            ("Global", wanted.is_global),
            ("Replaces", wanted.replaces),
        ):
            if given:
                return f"MachineID cannot be used with {label}"
    if wanted.is_global and (wanted.peers or wanted.replaces):
        return f"Global cannot be used with {'Peers' if wanted.peers else 'Replaces'}"
    if wanted.conflicts and wanted.replaces:
        return "Conflicts cannot be used with Replaces"
    for kind, patterns in (("conflict", wanted.conflicts), ("replace", wanted.replaces)):
        for pattern in patterns:
            for peer in wanted.peers:
                if matches(pattern, peer):
                    return f'unresolvable requirements: peer "{peer}" matches {kind} "{pattern}"'
    return None


def matches(pattern: str, name: str) -> bool:
    """Whether a unit's name fits a shell pattern; a malformed pattern fits nothing."""
    expression = _expression(pattern)
    return expression is not None and expression.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str] | None:
    """A regular expression for a pattern by the rules fleet has: `*`, `?`, `[a-z]`, `[^a]`, `\\c`."""
    out, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "\\":
            if at == len(pattern):
                return None
            out.append(re.escape(pattern[at]))
            at += 1
        elif character == "[":
            end = pattern.find("]", at + 1 + (pattern[at : at + 1] == "^"))
            if end < 0:
                return None
            inside = pattern[at:end]
            negated = inside.startswith("^")
            body = re.sub(r"([\\\[&~|^])", r"\\\1", inside[1:] if negated else inside)
            out.append(f"[{'^' if negated else ''}{body}]")
            at = end + 1
        else:
            out.append(re.escape(character))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        return None


def _true(values: list[str]) -> bool:
    return bool(values) and values[-1].strip().lower() in _TRUE


def _words(value: str) -> list[str]:
    """A value in double quotes is a list of quoted words; any other is one value."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return [word.strip('"') for word in value.split() if word.strip('"')]
    return [value]


def _expand(value: str, name: Name) -> str:
    known = {"n": name.full, "N": name.stem, "p": name.prefix, "i": name.instance or ""}
    return re.sub("%([nNpi])", lambda found: known[found[1]], value)
