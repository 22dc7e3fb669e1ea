"""Reads a scenario's own files, which need no machine: its units' options, and where its guide points to."""

from __future__ import annotations

import re
from pathlib import Path


def options(unit: Path) -> dict[str, list[str]]:
    """Every option of a unit file but its description, as `Section.Name` with its values in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text().replace("\\\n", "").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("Description=", "#")):
            name, _, value = line.partition("=")
            found.setdefault(f"{section}.{name}", []).append(re.sub(r"\s+", " ", value))
    return found


def missing_targets(guide: Path) -> list[str]:
    """The files that a guide points to and that are not there; ValueError if it points to none."""
    targets = re.findall(r"\]\(([^)#]+)\)", guide.read_text())
    if not targets:
        raise ValueError(f"{guide} points to no file")
    return [target for target in targets if not (guide.parent / target).exists()]
