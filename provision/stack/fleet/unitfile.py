"""Unit files: reading them, their canonical text, and the hash that identifies their content."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import NamedTuple

LINE_MAX = 2048


class UnitFileError(ValueError):
    """The text is no unit file; the message is what fleetctl and the API say about it."""


class Option(NamedTuple):
    """One `name=value` line of a section; a value continued with a backslash keeps its line ends."""

    section: str
    name: str
    value: str


class UnitFile:
    """A unit file's options in canonical order: sections as they first appear, each one in one piece."""

    __slots__ = ("hash", "options", "text")

    def __init__(self, options: Iterable[Option]) -> None:
        sections: dict[str, list[Option]] = {}
        for option in options:
            sections.setdefault(option.section, []).append(option)
        self.options: tuple[Option, ...] = tuple(each for group in sections.values() for each in group)
        self.text: str = "\n".join(
            f"[{name}]\n" + "".join(f"{each.name}={each.value}\n" for each in group)
            for name, group in sections.items()
        )
        self.hash: str = sha1(self.text.encode()).hexdigest()

    def values(self, section: str, *names: str) -> list[str]:
        """The values of these options in the order of the file."""
        return [each.value for each in self.options if each.section == section and each.name in names]

    @property
    def description(self) -> str:
        """The last Description of the [Unit] section, as systemd would show it."""
        found = self.values("Unit", "Description")
        return found[-1] if found else ""

    @property
    def installable(self) -> bool:
        """Whether systemd can enable the unit."""
        return any(each.section == "Install" for each in self.options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnitFile) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def parse(text: str) -> UnitFile:
    """Read a unit file. Raises UnitFileError."""
    return UnitFile(_options(text))


def _options(text: str) -> list[Option]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for line in lines:
        if len(line.encode(errors="surrogateescape")) >= LINE_MAX:
            raise UnitFileError(f"line too long (max {LINE_MAX} bytes)")
    options: list[Option] = []
    section: str | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        start = line.lstrip()
        if not start:
            continue
        if start[0] in "#;":
            while line.endswith("\\") and at < len(lines):
                line = lines[at]
                at += 1
        elif start[0] == "[":
            section = _section(start)
        elif section is not None:
            name, equals, value = start.partition("=")
            if not equals:
                raise UnitFileError("unexpected newline encountered while parsing option name")
            value, at = _continued(value, lines, at)
            options.append(Option(section, name.strip(), value))
    return options


def _section(line: str) -> str:
    name, bracket, rest = line[1:].partition("]")
    if not bracket:
        raise UnitFileError("unable to find end of section")
    if rest.strip():
        raise UnitFileError(f'found garbage after section name {name}: "{rest.strip()}"')
    return name


def _continued(value: str, lines: list[str], at: int) -> tuple[str, int]:
    parts = [value]
    while parts[-1].endswith("\\"):
        if at >= len(lines) or not lines[at].strip():
            # Nothing follows: keep no backslash that would swallow the next option of the canonical text.
            parts[-1] = parts[-1].rstrip("\\")
            break
        parts.append(lines[at])
        at += 1
    value = "\n".join(parts).strip()
    if value.endswith("\\"):
        value += " "  # a blank after the backslash was what kept it from continuing
    return value, at
